// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command kubevirt-install prints, as one JSON List, what virt-operator would
// create for KubeVirt before and beside its Deployments: CRDs, RBAC, the
// PriorityClass, ConfigMaps, webhook configurations and APIServices.
//
// The objects come from KubeVirt's own install strategy and are printed as they
// are; fitting them to a cluster without containers (URLs in place of Services)
// is the work of hack/devcluster. Deployments, DaemonSets, Secrets, Routes,
// monitoring objects and security context constraints are left out: nothing
// runs them here.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	virtv1 "kubevirt.io/api/core/v1"
	"kubevirt.io/client-go/log"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/components"
	"kubevirt.io/kubevirt/pkg/virt-operator/resource/generate/install"
	operatorutil "kubevirt.io/kubevirt/pkg/virt-operator/util"
)

func main() {
	namespace := flag.String("namespace", "kubevirt", "namespace that KubeVirt is installed in")
	flag.Parse()
	if err := run(os.Stdout, *namespace); err != nil {
		fmt.Fprintf(os.Stderr, "kubevirt-install: %v\n", err)
		os.Exit(1)
	}
}

func run(out io.Writer, namespace string) error {
	// The strategy logs to standard output, where only JSON may go.
	log.InitializeLogging("kubevirt-install")
	log.Log.SetIOWriter(os.Stderr)

	objects, err := objects(namespace)
	if err != nil {
		return fmt.Errorf("generate KubeVirt's install strategy: %w", err)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", " ")
	return encoder.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
}

// objects returns what can be created in a cluster without containers, CRDs
// first, in the order in which virt-operator creates it.
func objects(namespace string) ([]any, error) {
	kv := &virtv1.KubeVirt{ObjectMeta: metav1.ObjectMeta{Name: "kubevirt", Namespace: namespace}}
	config := operatorutil.GetTargetConfigFromKV(kv)
	strategy, err := install.GenerateCurrentInstallStrategy(config, "", namespace)
	if err != nil {
		return nil, err
	}
	// virt-operator's own manifest brings this CRD, not its strategy.
	kubeVirtCRD, err := components.NewKubeVirtCrd()
	if err != nil {
		return nil, err
	}

	list := collector{}
	list.add(kubeVirtCRD)
	addAll(&list, strategy.CRDs())
	list.add(components.NewKubeVirtPriorityClassCR())
	addAll(&list, strategy.ServiceAccounts())
	addAll(&list, strategy.ClusterRoles())
	addAll(&list, strategy.ClusterRoleBindings())
	addAll(&list, strategy.Roles())
	addAll(&list, strategy.RoleBindings())
	addAll(&list, strategy.ConfigMaps())
	addAll(&list, strategy.Services())
	addAll(&list, strategy.ValidatingWebhookConfigurations())
	addAll(&list, strategy.MutatingWebhookConfigurations())
	addAll(&list, strategy.APIServices())
	return list.items, nil
}

type collector struct {
	items []any
	seen  map[string]bool
}

// add appends the object once: the strategy names its CA ConfigMaps twice.
func (c *collector) add(object runtime.Object) {
	accessor, ok := object.(metav1.Object)
	if ok {
		key := object.GetObjectKind().GroupVersionKind().Kind + "/" + accessor.GetNamespace() + "/" + accessor.GetName()
		if c.seen[key] {
			return
		}
		if c.seen == nil {
			c.seen = map[string]bool{}
		}
		c.seen[key] = true
	}
	c.items = append(c.items, object)
}

func addAll[T runtime.Object](c *collector, objects []T) {
	for _, object := range objects {
		c.add(object)
	}
}
