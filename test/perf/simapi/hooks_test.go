// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi_test

import (
	"errors"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

func TestEvictions(t *testing.T) {
	dryRun := &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}
	tests := map[string]struct {
		decide  simapi.Evicting
		name    string
		options *metav1.DeleteOptions
		gone    bool
		err     func(error) bool
	}{
		"taken":            {name: "v", gone: true},
		"this very pod":    {name: "v", options: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("pod-v")}, gone: true},
		"another pod":      {name: "v", options: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("other")}, err: apierrors.IsConflict},
		"tried only":       {name: "v", options: dryRun},
		"no such pod":      {name: "w", err: apierrors.IsNotFound},
		"it takes a while": {name: "v", decide: func(*policyv1.Eviction) (bool, error) { return true, nil }},
		"refused":          {name: "v", decide: func(*policyv1.Eviction) (bool, error) { return false, apierrors.NewTooManyRequestsError("no") }, err: apierrors.IsTooManyRequests},
		"refused when tried": {
			name: "v", options: dryRun, decide: func(e *policyv1.Eviction) (bool, error) {
				if len(e.DeleteOptions.DryRun) > 0 {
					return false, apierrors.NewTooManyRequestsError("no")
				}
				return false, nil
			},
			err: apierrors.IsTooManyRequests,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			api := simapi.New()
			_, pod := vm("v", "stock", "1", 1)
			api.SetPod(pod)
			api.OnEvict(tc.decide)
			err := api.Client().PolicyV1().Evictions(pod.Namespace).Evict(t.Context(), &policyv1.Eviction{
				ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: tc.name}, DeleteOptions: tc.options,
			})
			if tc.err == nil && err != nil || tc.err != nil && !tc.err(err) {
				t.Errorf("Evict() = %v", err)
			}
			if _, ok := api.Pod(pod.Namespace, pod.Name); ok == tc.gone {
				t.Errorf("the pod is there: %t, want %t", ok, !tc.gone)
			}
		})
	}
}

func TestRefusedCreation(t *testing.T) {
	api := simapi.New()
	api.Serve(things, "Thing")
	api.OnCreate(things, func(o metav1.Object) error {
		if o.GetName() == "bad" {
			return errors.New("it is bad")
		}
		return nil
	})
	client, err := dynamic.NewForConfig(api.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	create := func(name string) error {
		_, err := client.Resource(things).Namespace("ns").Create(t.Context(), thing(name, "1"), metav1.CreateOptions{})
		return err
	}
	if err := create("good"); err != nil {
		t.Error(err)
	}
	if err := create("good"); !apierrors.IsAlreadyExists(err) {
		t.Errorf("once more: %v", err)
	}
	if err := create("bad"); !apierrors.IsForbidden(err) {
		t.Errorf("what is refused: %v", err)
	}
	if got := api.Customs(things); len(got) != 1 || got[0].GetName() != "good" {
		t.Errorf("there are %v", got)
	}
}
