// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/lru"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
)

// concession is how much of its required affinity a VM gives up that has to leave its host. It begins with nothing each time it is
// tried, and goes on as long as no host would do: so what is required becomes the strongest preference, stronger than any
// score of any plugin, and also where nothing is scored.
type concession uint8

const (
	// concedeNothing: its required affinity holds. Where it holds only because of VMs that leave the same host, and so belong to its group,
	// there is room for all of them, and none of them has gone elsewhere.
	concedeNothing concession = iota
	// concedeMembers: or nobody is there, but there is room for all of the group.
	concedeMembers
	// concedeRoom: or its required affinity holds because of VMs of its group, for which there is no room.
	concedeRoom //nolint:unused // a step on the way, which is reached by counting
	// concedeAll: any host, as if it had no required affinity.
	concedeAll
)

// maxConcessions bounds what is remembered of pods that were not tried again, because they are gone.
const maxConcessions = 4096

// concessions are what the next try of pods concedes; those that are not there concede nothing.
type concessions struct {
	next *lru.Cache
}

func newConcessions() concessions { return concessions{next: lru.New(maxConcessions)} }

// take returns what a try of a pod concedes. The one after it begins anew.
func (c concessions) take(pod types.UID) concession {
	next, ok := c.next.Get(pod)
	if !ok {
		return concedeNothing
	}
	c.next.Remove(pod)
	concedes, _ := next.(concession)
	return concedes
}

func (c concessions) set(pod types.UID, concedes concession) { c.next.Add(pod, concedes) }

// suits says whether the required affinity holds on a node with the given labels, or need not when so much is conceded.
func (s *preFilterState) suits(labels map[string]string, concedes concession) bool {
	if concedes == concedeAll {
		return true
	}
	near := s.near(labels, nil)
	if near && (len(s.group.leaving.byKey) == 0 || s.near(labels, &s.group.leaving)) {
		return true
	}
	switch concedes {
	case concedeNothing:
		return near && !s.group.begun && s.roomyAt(labels)
	case concedeMembers:
		return s.roomyAt(labels)
	default:
		return near || s.roomyAt(labels)
	}
}

// PostFilter lets a VM that has to leave its host, and found none because of its required affinity, be tried again with more conceded.
// Nothing is preempted for what is going to be conceded: it ends the search for other ways, if it comes before them in the profile. When no
// host was refused for the affinity, everything is conceded to those other ways.
func (pl *VMAffinity) PostFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, statuses fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	s, ok, err := adapt.ReadState[*preFilterState](state, preFilterStateKey)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	if !ok || !s.relaxed || s.concedes == concedeAll {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	next, helps, err := pl.concede(s, statuses)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	if !helps {
		s.concedes = concedeAll
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	pl.conceded.set(pod.UID, next)
	logger := klog.FromContext(ctx)
	logger.V(4).Info("The VM has to leave its host: it is tried again with less of its required affinity", "pod", klog.KObj(pod), "concession", next)
	pl.handle.Activate(logger, map[string]*corev1.Pod{pod.Namespace + "/" + pod.Name: pod})
	return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "tried again with less of its required affinity, because it has to leave its host")
}

// concede returns the least concession that opens one of the hosts that were refused for the required affinity. Where other pods keep the
// pod from all of these, that is the last. It helps if a host was refused so that need not be left itself.
func (pl *VMAffinity) concede(s *preFilterState, statuses fwk.NodeToStatusReader) (next concession, helps bool, err error) {
	refused, err := statuses.NodesForStatusCode(pl.handle.SnapshotSharedLister().NodeInfos(), fwk.UnschedulableAndUnresolvable)
	if err != nil {
		return 0, false, err
	}
	if s.group.roomy == nil {
		if err := pl.makeRoom(s.facts); err != nil {
			return 0, false, err
		}
	}
	next = concedeAll
	for _, host := range refused {
		node := host.Node()
		if pl.mustLeave(node) || !isLonely(statuses.Get(node.Name)) {
			continue
		}
		helps = true
		for less := s.concedes + 1; less < next; less++ {
			if s.refusal(node.Labels, less) == nil {
				next = less
			}
		}
	}
	return next, helps, nil
}

// isLonely is true when this plugin refused a host for the required affinity.
func isLonely(status *fwk.Status) bool {
	return status.Plugin() == Name && slices.Contains(status.Reasons(), reasonAffinity)
}
