// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	typedv1 "k8s.io/client-go/kubernetes/typed/policy/v1"
)

// Evicting decides about an eviction, as webhooks do: an error refuses it, and stays keeps the pod there for the time being though the eviction is taken.
type Evicting func(*policyv1.Eviction) (stays bool, err error)

// OnEvict makes all evictions from now on be decided about, also those that are tried only. Without it all are taken, and pods go at once.
func (a *API) OnEvict(decide Evicting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.evicting = decide
}

func (c *client) PolicyV1() typedv1.PolicyV1Interface {
	return &policyV1{PolicyV1Interface: c.Clientset.PolicyV1(), api: c.api}
}

type policyV1 struct {
	typedv1.PolicyV1Interface
	api *API
}

func (p *policyV1) Evictions(namespace string) typedv1.EvictionInterface {
	return &evictions{EvictionInterface: p.PolicyV1Interface.Evictions(namespace), api: p.api, namespace: namespace}
}

type evictions struct {
	typedv1.EvictionInterface
	api       *API
	namespace string
}

// Evict knows no PodDisruptionBudgets.
func (e *evictions) Evict(_ context.Context, eviction *policyv1.Eviction) error {
	pod, ok := e.api.Pod(e.namespace, eviction.Name)
	if !ok {
		return apierrors.NewNotFound(corev1.Resource("pods"), eviction.Name)
	}
	e.api.mu.Lock()
	decide := e.api.evicting
	e.api.mu.Unlock()
	if decide != nil {
		if stays, err := decide(eviction); stays || err != nil {
			return err
		}
	}
	options := eviction.DeleteOptions
	switch {
	case options == nil:
	case options.Preconditions != nil && options.Preconditions.UID != nil && *options.Preconditions.UID != pod.UID:
		return apierrors.NewConflict(corev1.Resource("pods"), eviction.Name, fmt.Errorf("its UID is %s", pod.UID))
	case len(options.DryRun) > 0:
		return nil
	}
	e.api.DeletePod(e.namespace, eviction.Name)
	return nil
}
