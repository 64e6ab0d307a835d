// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	virtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	handlerUser = "system:serviceaccount:kubevirt:kubevirt-handler"
	// nodeNameExtra ties a handler to its node for KubeVirt's feature gate NodeRestriction.
	nodeNameExtra = "authentication.kubernetes.io/node-name"
)

// Identities gives each agent of each node a client in its own name.
type Identities interface {
	// Kubelet is the client of a node's kubelet.
	Kubelet(node string) (client.Client, error)
	// Handler is the client of a node's virt-handler.
	Handler(node string) (client.Client, error)
	// Simulation is the client for what no agent does itself.
	Simulation() client.Client
}

// NewScheme knows the kinds that the simulation reads and writes.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := authorizationv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return scheme, virtv1.AddToScheme(scheme)
}

// impersonator makes the clients by impersonation, if its configuration may impersonate.
type impersonator struct {
	config *rest.Config
	opts   client.Options
	self   client.Client
	// alone is true when it may not: then everything is written in its own name.
	alone bool

	mu      sync.Mutex
	clients map[string]client.Client
}

// NewIdentities makes clients out of one configuration. One that may not impersonate users serves too, if it is
// KubeVirt's handler and has a kubelet's permissions; then the audit log can't tell the agents apart.
func NewIdentities(ctx context.Context, config *rest.Config, scheme *runtime.Scheme, log logr.Logger) (Identities, error) {
	opts := client.Options{Scheme: scheme, Mapper: mapper()}
	self, err := client.New(config, opts)
	if err != nil {
		return nil, fmt.Errorf("client of the simulation: %w", err)
	}
	may, err := mayImpersonate(ctx, self)
	if err != nil {
		return nil, err
	}
	if !may {
		log.Info("this user may not impersonate kubelets and virt-handlers: all writes are made in its name")
	}
	return &impersonator{
		config: config, opts: opts, self: self, alone: !may, clients: map[string]client.Client{},
	}, nil
}

func mayImpersonate(ctx context.Context, c client.Client) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "impersonate", Resource: "users"},
	}}
	if err := c.Create(ctx, review); err != nil {
		return false, fmt.Errorf("may this user impersonate: %w", err)
	}
	return review.Status.Allowed, nil
}

func (i *impersonator) Simulation() client.Client { return i.self }

func (i *impersonator) Kubelet(node string) (client.Client, error) {
	return i.client("kubelet/"+node, rest.ImpersonationConfig{
		UserName: "system:node:" + node,
		Groups:   []string{"system:nodes", "system:authenticated"},
	})
}

func (i *impersonator) Handler(node string) (client.Client, error) {
	return i.client("handler/"+node, rest.ImpersonationConfig{
		UserName: handlerUser,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:kubevirt", "system:authenticated"},
		Extra:    map[string][]string{nodeNameExtra: {node}},
	})
}

func (i *impersonator) client(key string, as rest.ImpersonationConfig) (client.Client, error) {
	if i.alone {
		return i.self, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if c, ok := i.clients[key]; ok {
		return c, nil
	}
	config := rest.CopyConfig(i.config)
	config.Impersonate = as
	c, err := client.New(config, i.opts)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", key, err)
	}
	i.clients[key] = c
	return c, nil
}

// mapper saves every client its own discovery.
func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"Pod", "PersistentVolumeClaim"} {
		m.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	for _, kind := range []string{"Node", "PersistentVolume"} {
		m.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeRoot)
	}
	m.Add(authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"), meta.RESTScopeRoot)
	m.Add(virtv1.VirtualMachineInstanceGroupVersionKind, meta.RESTScopeNamespace)
	return m
}
