// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview/affinity"
)

// How much the affinity index may remember: label keys that it follows by value, and counts that it keeps current. Users
// name few keys in selectors; a count kept costs some hundred nanoseconds per pod that comes or goes.
const (
	maxAffinityKeys   = 64
	maxAffinityCounts = 256
)

// affinityIndex is the index of pods and terms, and the launchers about which it is wrong.
type affinityIndex struct {
	*affinity.Index
	exceptions map[types.UID][]Launcher
	// directory finds exceptions.
	directory *affinity.Directory[types.UID]
}

// indexed is what the index has of a host: the pods on its list, and the node as which they were added.
type indexed struct {
	pods []fwk.PodInfo
	node *corev1.Node
	// off is true when it was proved to be off.
	off bool
}

// FollowAffinity makes the view keep the index that Affinity returns, and Exceptions; until somebody calls it the view has neither, and
// does not pay for them. The index leaves out KubeVirt's own terms (adapt.IsOwnTerm): there is one per VM, and Launchers finds whom it is about.
func (v *View) FollowAffinity() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.affinity != nil {
		return
	}
	v.affinity = &affinityIndex{
		Index:      affinity.New(maxAffinityKeys, maxAffinityCounts, kubevirtv1.CreatedByLabel),
		exceptions: map[types.UID][]Launcher{},
		directory:  affinity.NewDirectory[types.UID](maxAffinityKeys),
	}
	v.affinity.SetSkip(adapt.IsOwnTerm)
	v.marks.everything()
}

// Affinity returns the index of pods and terms as of the last refresh; nil before FollowAffinity. It may be asked by the cycle that
// the refresh belongs to.
func (v *View) Affinity() *affinity.Index {
	if v.affinity == nil {
		return nil
	}
	return v.affinity.Index
}

// index brings the index up to the pods of a host.
func (r *round) index(s *slot, info fwk.NodeInfo) {
	if r.affinity == nil {
		return
	}
	node := info.Node()
	var pods []fwk.PodInfo
	all := info.GetPods()
	if slices.ContainsFunc(all, hasEnded) {
		pods = slices.DeleteFunc(slices.Clone(all), hasEnded)
	} else {
		pods = slices.Clone(all) // the snapshot uses its own again
	}
	before := s.indexed
	s.indexed = indexed{pods: pods, node: node, off: r.failures.Proved(s.name)}
	if before.node != nil && before.node != node && !maps.Equal(before.node.Labels, node.Labels) {
		for _, pod := range before.pods {
			r.affinity.Remove(pod, before.node)
		}
		before.pods = nil
	}
	gone, come := difference(before.pods, pods)
	for _, pod := range gone {
		r.affinity.Remove(pod, before.node)
	}
	for _, pod := range come {
		r.affinity.Add(pod, node)
	}
	if before.node != nil && before.node != node {
		r.affinity.Renew(node)
	}
}

// leaveIndex takes the pods of a host that is gone out of the index.
func (r *round) leaveIndex(s *slot) {
	if r.affinity == nil {
		return
	}
	for _, pod := range s.indexed.pods {
		r.affinity.Remove(pod, s.indexed.node)
	}
	s.indexed = indexed{}
}

func hasEnded(pod fwk.PodInfo) bool { return ended(pod.GetPod()) }

// difference returns what is in one list only. Lists are alike but for a few places: a pod that comes is put at the end, and the last one takes
// the place of one that goes.
func difference(before, after []fwk.PodInfo) (gone, come []fwk.PodInfo) {
	for i := range max(len(before), len(after)) {
		switch {
		case i >= len(before):
			come = append(come, after[i])
		case i >= len(after):
			gone = append(gone, before[i])
		case before[i] != after[i]:
			gone, come = append(gone, before[i]), append(come, after[i])
		}
	}
	if len(gone) == 0 || len(come) == 0 {
		return gone, come
	}
	in := make(map[fwk.PodInfo]struct{}, len(gone))
	for _, pod := range gone {
		in[pod] = struct{}{}
	}
	come = slices.DeleteFunc(come, func(pod fwk.PodInfo) bool {
		_, both := in[pod]
		delete(in, pod)
		return both
	})
	return slices.DeleteFunc(gone, func(pod fwk.PodInfo) bool { _, one := in[pod]; return !one }), come
}
