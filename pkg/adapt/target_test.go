// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// What KubeVirt's node labeller says of a host, and what launchers select by it.
const (
	hostModel        = kubevirtv1.HostModelCPULabel + "Skylake"
	hostModelFeature = kubevirtv1.HostModelRequiredFeaturesLabel + "aes"
	supportsSkylake  = kubevirtv1.SupportedHostModelMigrationCPU + "Skylake"
	supportsRome     = kubevirtv1.SupportedHostModelMigrationCPU + "EPYC-Rome"
	hasAES           = kubevirtv1.CPUFeatureLabel + "aes"
	intel            = kubevirtv1.CPUModelVendorLabel + "Intel"
	amd              = kubevirtv1.CPUModelVendorLabel + "AMD"
)

func sourceNode(labels map[string]string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "source", Labels: labels}}
}

// sourcePod is a launcher pod on a node, with all that a target has or has not of it.
func sourcePod(selector map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "virt-launcher-v-abcde", UID: "source-uid", ResourceVersion: "7",
			Labels:      map[string]string{kubevirtv1.AppLabel: "virt-launcher", kubevirtv1.CreatedByLabel: "vmi-uid", "app": "db"},
			Annotations: map[string]string{kubevirtv1.DomainAnnotation: "v"},
		},
		Spec: corev1.PodSpec{
			NodeName: "source", NodeSelector: selector, SchedulerName: "virt-scheduler", Tolerations: []corev1.Toleration{{Key: "dedicated"}},
			Containers: []corev1.Container{{Name: "compute", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
			}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, NominatedNodeName: "source"},
	}
}

func TestTargetSelects(t *testing.T) {
	skylake := map[string]string{hostModel: "true", hostModelFeature: "true", intel: "true", "kubernetes.io/hostname": "source"}
	tests := map[string]struct {
		source map[string]string
		wishes *model.Wishes
		from   map[string]string
		want   map[string]string
	}{
		"a host-model guest moves for the first time": {
			source: map[string]string{kubevirtv1.NodeSchedulable: "true", corev1.LabelArchStable: "amd64"}, wishes: &model.Wishes{CPUModel: model.CPUHostModel}, from: skylake,
			want: map[string]string{kubevirtv1.NodeSchedulable: "true", corev1.LabelArchStable: "amd64", supportsSkylake: "true", hasAES: "true", intel: "true"},
		},
		"and once more, from a host of another model: it keeps that of the first": {
			source: map[string]string{kubevirtv1.NodeSchedulable: "true", supportsRome: "true", amd: "true"}, wishes: &model.Wishes{CPUModel: model.CPUHostModel}, from: skylake,
			want: map[string]string{kubevirtv1.NodeSchedulable: "true", supportsRome: "true", amd: "true"},
		},
		"a host-model guest that asks for a feature": {
			source: map[string]string{hasAES: "true"}, wishes: &model.Wishes{CPUModel: model.CPUHostModel}, from: skylake, want: map[string]string{hasAES: "true", intel: "true"},
		},
		"a guest with a model of its own": {
			source: map[string]string{kubevirtv1.CPUModelLabel + "Nehalem": "true"}, wishes: &model.Wishes{CPUModel: "Nehalem"}, from: skylake,
			want: map[string]string{kubevirtv1.CPUModelLabel + "Nehalem": "true", intel: "true"},
		},
		"a vendor that is asked for": {
			source: map[string]string{amd: "true"}, wishes: &model.Wishes{CPUModel: "EPYC"}, from: skylake, want: map[string]string{amd: "true"},
		},
		"a host of which nothing is known": {wishes: &model.Wishes{CPUModel: model.CPUHostModel}, want: map[string]string{}},
		"the owner's selector, and what a migration added": {
			source: map[string]string{"zone": "one", corev1.LabelHostname: "source"}, wishes: &model.Wishes{CPUModel: "Nehalem", NodeSelector: map[string]string{"zone": "one"}},
			want: map[string]string{"zone": "one"},
		},
		"the owner's host": {
			source: map[string]string{corev1.LabelHostname: "source"}, wishes: &model.Wishes{CPUModel: "Nehalem", NodeSelector: map[string]string{corev1.LabelHostname: "source"}},
			want: map[string]string{corev1.LabelHostname: "source"},
		},
		"the owner has changed the selector since": {
			source: map[string]string{"zone": "one", "disk": "fast"}, wishes: &model.Wishes{CPUModel: "Nehalem", NodeSelector: map[string]string{"zone": "two", "rack": "7"}},
			want: map[string]string{"zone": "two", "rack": "7"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := TargetOf(sourcePod(tc.source), &model.VM{UID: "vmi-uid", Wishes: tc.wishes}, sourceNode(tc.from)).Spec.NodeSelector
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("node selector (-want +got):\n%s", diff)
			}
		})
	}
}

func term(topologyKey string, selector *metav1.LabelSelector) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{TopologyKey: topologyKey, LabelSelector: selector}
}

func TestTargetKeepsAwayFromItsSource(t *testing.T) {
	createdBy := func(uid string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{kubevirtv1.CreatedByLabel: uid}}
	}
	own, others := term(corev1.LabelHostname, createdBy("vmi-uid")), term("zone", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}})
	node := &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}}}
	narrower := createdBy("vmi-uid")
	narrower.MatchLabels["app"] = "db"
	tests := map[string]struct {
		affinity *corev1.Affinity
		want     []corev1.PodAffinityTerm
	}{
		"no affinity":               {want: []corev1.PodAffinityTerm{own}},
		"affinity of another kind":  {affinity: &corev1.Affinity{NodeAffinity: node}, want: []corev1.PodAffinityTerm{own}},
		"the owner's term":          {affinity: apart(others), want: []corev1.PodAffinityTerm{others, own}},
		"it has moved before":       {affinity: apart(others, own), want: []corev1.PodAffinityTerm{others, own}},
		"another VM's":              {affinity: apart(term(corev1.LabelHostname, createdBy("other"))), want: []corev1.PodAffinityTerm{term(corev1.LabelHostname, createdBy("other")), own}},
		"over something else":       {affinity: apart(term("zone", createdBy("vmi-uid"))), want: []corev1.PodAffinityTerm{term("zone", createdBy("vmi-uid")), own}},
		"asks for more":             {affinity: apart(term(corev1.LabelHostname, narrower)), want: []corev1.PodAffinityTerm{term(corev1.LabelHostname, narrower), own}},
		"a term without a selector": {affinity: apart(term(corev1.LabelHostname, nil)), want: []corev1.PodAffinityTerm{term(corev1.LabelHostname, nil), own}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			source := sourcePod(nil)
			source.Spec.Affinity = tc.affinity
			target := TargetOf(source, &model.VM{UID: "vmi-uid", Wishes: &model.Wishes{}}, sourceNode(nil))
			if diff := cmp.Diff(tc.want, target.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution); diff != "" {
				t.Errorf("required anti-affinity (-want +got):\n%s", diff)
			}
			if tc.affinity != nil {
				if diff := cmp.Diff(tc.affinity.NodeAffinity, target.Spec.Affinity.NodeAffinity); diff != "" {
					t.Errorf("node affinity (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func apart(terms ...corev1.PodAffinityTerm) *corev1.Affinity {
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
}

// A target is a pod of its own, on no node, and its VM's; its source is what it was, also where a slice has room for one more.
func TestTargetAndSource(t *testing.T) {
	source := sourcePod(map[string]string{kubevirtv1.NodeSchedulable: "true"})
	terms := make([]corev1.PodAffinityTerm, 1, 4)
	terms[0] = term("zone", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}})
	source.Spec.Affinity = apart(terms...)
	vm := &model.VM{UID: "vmi-uid", Wishes: &model.Wishes{CPUModel: model.CPUHostModel, NodeSelector: map[string]string{"zone": "one"}}}
	node := sourceNode(map[string]string{hostModel: "true", intel: "true"})
	before, wishes, labels := source.DeepCopy(), *vm.Wishes, node.DeepCopy()
	target := TargetOf(source, vm, node)
	again := TargetOf(source, vm, node)

	for what, diff := range map[string]string{
		"source":         cmp.Diff(before, source),
		"beyond its end": cmp.Diff(corev1.PodAffinityTerm{}, terms[:2][1]),
		"wishes":         cmp.Diff(wishes, *vm.Wishes),
		"node":           cmp.Diff(labels, node),
		"second target":  cmp.Diff(target, again),
	} {
		if diff != "" {
			t.Errorf("%s (-before +after):\n%s", what, diff)
		}
	}
	if target.Spec.NodeName != "" || target.Status.NominatedNodeName != "" || target.Status.Phase != "" || target.ResourceVersion != "" || target.UID == source.UID || target.Name == source.Name {
		t.Errorf("target has something of the source that it should not: %+v", target)
	}
	if uid, ok := VMOf(target); !ok || uid != "vmi-uid" || MigrationOf(target) == "" || MigrationOf(source) != "" {
		t.Errorf("target is of VM %q (%t) and migration %q, source of migration %q", uid, ok, MigrationOf(target), MigrationOf(source))
	}
	want := source.Spec
	want.NodeName, want.NodeSelector, want.Affinity = "", target.Spec.NodeSelector, target.Spec.Affinity
	if diff := cmp.Diff(want, target.Spec); diff != "" {
		t.Errorf("what is the same (-source +target):\n%s", diff)
	}
	target.Labels["more"], target.Spec.NodeSelector["more"] = "", ""
	if diff := cmp.Diff(before, source); diff != "" {
		t.Errorf("source, when labels and selector of its target are changed (-before +after):\n%s", diff)
	}
}
