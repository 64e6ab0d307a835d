// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

// checkExceptionsFor compares what is found of exceptions by their labels with all of them but one.
func (m *machine) checkExceptionsFor(t *rapid.T, but types.UID, want map[types.UID][]presenceDump) {
	find := func(selector labels.Selector) map[types.UID][]presenceDump {
		found := map[types.UID][]presenceDump{}
		terms := []fwk.AffinityTerm{{Selector: selector, NamespaceSelector: labels.Everything()}}
		m.view.ExceptionsFor(but, makePod("p", "").Obj(), affinity.RequiredAntiAffinity, slices.Values([][]fwk.AffinityTerm{terms, terms}), func(launchers []Launcher) {
			for _, l := range launchers {
				found[l.VM] = append(found[l.VM], dumpLauncher(l))
			}
		})
		return found
	}
	if diff := cmp.Diff(want, find(labels.Everything()), byPod); diff != "" {
		t.Fatalf("exceptions but %s, found by a term that selects all (-want +got):\n%s", but, diff)
	}
	for _, vm := range vmUIDs {
		one := maps.Clone(want)
		maps.DeleteFunc(one, func(uid types.UID, _ []presenceDump) bool { return uid != vm })
		selector := labels.SelectorFromSet(labels.Set{kubevirtv1.CreatedByLabel: string(vm)})
		if diff := cmp.Diff(one, find(selector), byPod); diff != "" {
			t.Fatalf("exceptions but %s, found by a term for %s (-want +got):\n%s", but, vm, diff)
		}
	}
}
