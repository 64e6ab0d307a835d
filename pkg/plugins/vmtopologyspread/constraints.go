// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmtopologyspread

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

// constraints are those that a pod must satisfy, as far as they say which launchers upstream would count as one and the same.
type constraints struct {
	pod      *corev1.Pod
	all      []constraint
	affinity nodeaffinity.RequiredNodeAffinity
	// compare is set where Kubernetes' operators Lt and Gt work in tolerations.
	compare bool
}

type constraint struct {
	key      string
	selector labels.Selector
	// labelKeys are labels of which the values make a difference, whoever brings them into the selector: the API server, or upstream's plugin.
	labelKeys []string
	// affinity and taints say that nodes do not count which the pod does not select, or whose taints it does not tolerate.
	affinity, taints bool
}

func constraintsOf(pod *corev1.Pod, compare bool) (*constraints, error) {
	cs := &constraints{pod: pod, affinity: nodeaffinity.GetRequiredNodeAffinity(pod), compare: compare}
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		if c.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		if err != nil {
			return nil, fmt.Errorf("reading a topology spread constraint: %w", err)
		}
		cs.all = append(cs.all, constraint{
			key: c.TopologyKey, selector: selector, labelKeys: c.MatchLabelKeys,
			affinity: ptr.Deref(c.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor) == corev1.NodeInclusionPolicyHonor,
			taints:   ptr.Deref(c.NodeTaintsPolicy, corev1.NodeInclusionPolicyIgnore) == corev1.NodeInclusionPolicyHonor,
		})
	}
	return cs, nil
}

// likeness is the same for launchers of one VM of which each counts for what the others count for: for the same constraints, at the same
// topology values. It is "" for one that counts for nothing, or may not: it is left to upstream then.
func (cs *constraints) likeness(logger klog.Logger, l *clusterview.Launcher) string {
	launcher := l.Pod.GetPod()
	if launcher.DeletionTimestamp != nil || launcher.Namespace != cs.pod.Namespace {
		return ""
	}
	// Whether the pod selects the node, and tolerates its taints.
	selected, _ := cs.affinity.Match(l.Node) // upstream passes over what cannot be read
	_, repelled := corev1helpers.FindMatchingUntoleratedTaint(logger, l.Node.Spec.Taints, cs.pod.Spec.Tolerations, repels, cs.compare)
	var b strings.Builder
	for i := range cs.all {
		c := &cs.all[i]
		value, has := l.Node.Labels[c.key]
		if !has {
			return "" // a node counts with all topology keys, or not at all
		}
		if c.affinity && !selected || c.taints && repelled || !c.selector.Matches(labels.Set(launcher.Labels)) {
			b.WriteByte(0)
			continue
		}
		b.WriteString(strconv.Quote(value))
		for _, key := range c.labelKeys {
			b.WriteString(strconv.Quote(launcher.Labels[key]))
		}
	}
	if strings.Trim(b.String(), "\x00") == "" {
		return ""
	}
	return b.String()
}

// repels is true for a taint that keeps pods away.
func repels(taint *corev1.Taint) bool {
	return taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute
}
