// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// withoutClass takes all labels with a prefix away.
func withoutClass(labels map[string]string, prefix string) map[string]string {
	kept := map[string]string{}
	for key, value := range labels {
		if !strings.HasPrefix(key, prefix) {
			kept[key] = value
		}
	}
	return kept
}

func TestJudge(t *testing.T) {
	skylake, rome, arm := simlabels.Skylake().Labels(), simlabels.Rome().Labels(), simlabels.Arm().Labels()
	bare := simlabels.Unlabelled("amd64")
	tests := map[string]struct {
		wishes    model.Wishes
		dedicated bool
		labels    map[string]string
		insist    Classes
		want      Verdict
	}{
		"no wishes":                           {labels: skylake},
		"no wishes, no labels":                {labels: nil},
		"architecture":                        {wishes: model.Wishes{Architecture: "AMD64"}, labels: skylake},
		"another architecture":                {wishes: model.Wishes{Architecture: "arm64"}, labels: skylake, want: Verdict{ReasonArchitecture, "arm64"}},
		"model":                               {wishes: model.Wishes{CPUModel: "Haswell"}, labels: skylake},
		"newer model":                         {wishes: model.Wishes{CPUModel: "Icelake-Server"}, labels: skylake, want: Verdict{ReasonCPUModel, "Icelake-Server"}},
		"model known only for migration":      {wishes: model.Wishes{CPUModel: "SapphireRapids"}, labels: skylake, want: Verdict{ReasonCPUModel, "SapphireRapids"}},
		"model, nothing published":            {wishes: model.Wishes{CPUModel: "Icelake-Server"}, labels: bare},
		"model, nothing published, strict":    {wishes: model.Wishes{CPUModel: "Icelake-Server"}, labels: bare, insist: AllClasses, want: Verdict{ReasonUnpublished, "CPU models"}},
		"model, on arm64 no models":           {wishes: model.Wishes{CPUModel: "Icelake-Server"}, labels: arm},
		"the host's model":                    {wishes: model.Wishes{CPUModel: model.CPUHostModel}, labels: skylake},
		"the host's model is obsolete":        {wishes: model.Wishes{CPUModel: model.CPUHostModel}, labels: simlabels.With(skylake, LabelObsoleteHostModel, "true"), want: Verdict{ReasonObsoleteHostModel, ""}},
		"obsolete, by default":                {labels: simlabels.With(skylake, LabelObsoleteHostModel, "true"), want: Verdict{ReasonObsoleteHostModel, ""}},
		"obsolete, but passed through":        {wishes: model.Wishes{CPUModel: model.CPUHostPassthrough}, labels: simlabels.With(skylake, LabelObsoleteHostModel, "true")},
		"features":                            {wishes: model.Wishes{Features: []string{"avx2", "vmx"}}, labels: skylake},
		"a feature is missing":                {wishes: model.Wishes{Features: []string{"avx2", "gfni"}}, labels: skylake, want: Verdict{ReasonCPUFeature, "gfni"}},
		"a feature says false":                {wishes: model.Wishes{Features: []string{"avx2"}}, labels: simlabels.With(skylake, PrefixCPUFeature+"avx2", "false"), want: Verdict{ReasonCPUFeature, "avx2"}},
		"a feature that must not be":          {wishes: model.Wishes{Without: []string{"vmx"}}, labels: skylake, want: Verdict{ReasonForbiddenCPUFeature, "vmx"}},
		"a forbidden one is not there":        {wishes: model.Wishes{Without: []string{"gfni"}}, labels: skylake},
		"forbidden, but none published":       {wishes: model.Wishes{Without: []string{"vmx"}}, labels: bare},
		"forbidden, none published, strict":   {wishes: model.Wishes{Without: []string{"vmx"}}, labels: bare, insist: ClassCPUFeatures, want: Verdict{ReasonUnpublished, "CPU features"}},
		"vendor":                              {wishes: model.Wishes{CPUVendor: "Intel"}, labels: skylake},
		"another vendor":                      {wishes: model.Wishes{CPUVendor: "Intel"}, labels: rome, want: Verdict{ReasonCPUVendor, "Intel"}},
		"machine type":                        {wishes: model.Wishes{MachineType: "pc-q35-rhel9.4.0"}, labels: skylake},
		"machine type of a newer emulator":    {wishes: model.Wishes{MachineType: "pc-q35-rhel10.0.0"}, labels: skylake, want: Verdict{ReasonMachineType, "pc-q35-rhel10.0.0"}},
		"KubeVirt without machine types":      {wishes: model.Wishes{MachineType: "q35"}, labels: withoutClass(skylake, PrefixMachineType)},
		"enlightenments":                      {wishes: model.Wishes{HyperV: []string{"synic", "vpindex"}}, labels: skylake},
		"an enlightenment is missing":         {wishes: model.Wishes{HyperV: []string{"evmcs2"}}, labels: skylake, want: Verdict{ReasonHyperV, "evmcs2"}},
		"realtime":                            {wishes: model.Wishes{Realtime: true}, labels: simlabels.With(skylake, LabelRealtime, "true")},
		"no realtime":                         {wishes: model.Wishes{Realtime: true}, labels: skylake, want: Verdict{ReasonRealtime, ""}},
		"realtime, nothing published":         {wishes: model.Wishes{Realtime: true}, labels: bare},
		"realtime, nothing published, strict": {wishes: model.Wishes{Realtime: true}, labels: bare, insist: AllClasses, want: Verdict{ReasonUnpublished, "node-labeller"}},
		"SEV":                                 {wishes: model.Wishes{SEV: true, SEVES: true}, labels: rome},
		"no SEV":                              {wishes: model.Wishes{SEV: true}, labels: skylake, want: Verdict{ReasonSEV, ""}},
		"no SEV-ES":                           {wishes: model.Wishes{SEV: true, SEVES: true}, labels: simlabels.With(rome, LabelSEVES, "-"), want: Verdict{ReasonSEVES, ""}},
		"no SEV-SNP":                          {wishes: model.Wishes{SEV: true, SEVSNP: true}, labels: rome, want: Verdict{ReasonSEVSNP, ""}},
		"no TDX":                              {wishes: model.Wishes{TDX: true}, labels: rome, want: Verdict{ReasonTDX, ""}},
		"TDX":                                 {wishes: model.Wishes{TDX: true}, labels: simlabels.With(skylake, LabelTDX, "true")},
		"no Secure Execution":                 {wishes: model.Wishes{SecureExecution: true}, labels: rome, want: Verdict{ReasonSecureExecution, ""}},
		"TSC":                                 {wishes: model.Wishes{TSCFrequency: 2_600_000_000}, labels: skylake},
		"TSC at a frequency it has not":       {wishes: model.Wishes{TSCFrequency: 3_000_000_000}, labels: skylake, want: Verdict{ReasonTSC, "3000000000"}},
		"dedicated CPUs":                      {dedicated: true, labels: simlabels.With(skylake, LabelCPUManager, "true")},
		"no CPU manager":                      {dedicated: true, labels: skylake, want: Verdict{ReasonCPUManager, ""}},
		"the first failed wish is named":      {wishes: model.Wishes{CPUModel: "Icelake-Server", Features: []string{"gfni"}}, labels: skylake, want: Verdict{ReasonCPUModel, "Icelake-Server"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			demands := DemandsOf(&model.VM{Wishes: &tc.wishes, Size: model.Size{DedicatedCPUs: tc.dedicated}})
			if diff := cmp.Diff(tc.want, demands.Judge(HostOf(tc.labels), tc.insist)); diff != "" {
				t.Errorf("Judge() (-want +got):\n%s", diff)
			}
		})
	}
}

// Whoever makes a model.VM by hand may leave the wishes out.
func TestNoWishesAtAll(t *testing.T) {
	if got := DemandsOf(&model.VM{}).Judge(HostOf(simlabels.Skylake().Labels()), AllClasses); !got.OK() {
		t.Errorf("Judge() = %s, want no reason", got)
	}
}

// The labels are KubeVirt's; we only avoid linking its types into the pure core.
func TestLabelsAreKubeVirts(t *testing.T) {
	for ours, kubevirts := range map[string]string{
		LabelSchedulable: kubevirtv1.NodeSchedulable, LabelCPUManager: kubevirtv1.CPUManager, LabelRealtime: kubevirtv1.RealtimeLabel,
		LabelSEV: kubevirtv1.SEVLabel, LabelSEVES: kubevirtv1.SEVESLabel, LabelSEVSNP: kubevirtv1.SEVSNPLabel, LabelTDX: kubevirtv1.TDXLabel,
		LabelSecureExecution: kubevirtv1.SecureExecutionLabel, LabelObsoleteHostModel: kubevirtv1.NodeHostModelIsObsoleteLabel,
		PrefixCPUModel: kubevirtv1.CPUModelLabel, PrefixCPUModelMigration: kubevirtv1.SupportedHostModelMigrationCPU,
		PrefixCPUFeature: kubevirtv1.CPUFeatureLabel, PrefixCPUVendor: kubevirtv1.CPUModelVendorLabel,
		PrefixMachineType: kubevirtv1.SupportedMachineTypeLabel, PrefixHyperV: kubevirtv1.HypervLabel,
		PrefixHostModel: kubevirtv1.HostModelCPULabel, PrefixHostModelFeatures: kubevirtv1.HostModelRequiredFeaturesLabel,
		model.CPUHostModel: kubevirtv1.CPUModeHostModel, model.CPUHostPassthrough: kubevirtv1.CPUModeHostPassthrough,
	} {
		if ours != kubevirts {
			t.Errorf("label %q, KubeVirt's is %q", ours, kubevirts)
		}
	}
}

func TestReasonsAreWrittenOut(t *testing.T) {
	seen := map[string]Reason{}
	for reason := ReasonNotSchedulable; reason < reasonCount; reason++ {
		detail := ""
		if strings.Contains(texts[reason], "%") {
			detail = "wish"
		}
		text := Verdict{Reason: reason, Detail: detail}.String()
		if text == "" || strings.Contains(text, "%") {
			t.Errorf("reason %d reads %q", reason, text)
		}
		if other, ok := seen[text]; ok {
			t.Errorf("reasons %d and %d both read %q", other, reason, text)
		}
		seen[text] = reason
	}
	if got, want := (Verdict{ReasonCPUModel, "Skylake-Server"}).String(), `host(s) whose CPU does not support model "Skylake-Server"`; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}

func TestHealthy(t *testing.T) {
	node := func(change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{}
		n.Labels = map[string]string{LabelSchedulable: "true"}
		change(n)
		return n
	}
	same := func(*corev1.Node) {}
	tainted := func(effect corev1.TaintEffect) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: "other"}, {Key: failurev1alpha1.TaintKey, Value: "incident", Effect: effect}}
		}
	}
	tests := map[string]struct {
		change func(*corev1.Node)
		health Health
		want   Reason
	}{
		"alive":                       {change: same, health: Health{Beats: true}},
		"not heard of":                {change: same, want: ReasonNoHeartbeat},
		"a NodeFailure is open":       {change: same, health: Health{Beats: true, Failed: true}, want: ReasonNodeFailure},
		"tainted":                     {change: tainted(corev1.TaintEffectNoSchedule), health: Health{Beats: true}, want: ReasonNodeFailure},
		"tainted, softly":             {change: tainted(corev1.TaintEffectPreferNoSchedule), health: Health{Beats: true}, want: ReasonNodeFailure},
		"virt-handler says no":        {change: func(n *corev1.Node) { n.Labels[LabelSchedulable] = "false" }, health: Health{Beats: true}, want: ReasonNotSchedulable},
		"no virt-handler":             {change: func(n *corev1.Node) { n.Labels = nil }, want: ReasonNotSchedulable},
		"the failure is named first":  {change: tainted(corev1.TaintEffectNoExecute), want: ReasonNodeFailure},
		"another's taint is not ours": {change: func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "x"}} }, health: Health{Beats: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Healthy(node(tc.change), tc.health); got.Reason != tc.want {
				t.Errorf("Healthy() = %q, want %q", got, texts[tc.want])
			}
		})
	}
}

func TestReceives(t *testing.T) {
	tests := map[string]struct {
		node corev1.Node
		want bool
	}{
		"says nothing": {want: true},
		"ready":        {node: corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}, want: true},
		"not ready":    {node: corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}}}},
		"cordoned":     {node: corev1.Node{Spec: corev1.NodeSpec{Unschedulable: true}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Receives(&tc.node); got != tc.want {
				t.Errorf("Receives() = %t, want %t", got, tc.want)
			}
		})
	}
}

var cpus = []simlabels.CPU{simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Icelake(), simlabels.Rome(), simlabels.Arm()}

func drawWishes(t *rapid.T) *model.Wishes {
	oneOf := func(name string, values ...string) string { return rapid.SampledFrom(append(values, "")).Draw(t, name) }
	some := func(name string, values ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, 2, rapid.ID).Draw(t, name)
	}
	return &model.Wishes{
		Architecture: oneOf("architecture", "amd64", "arm64"), CPUModel: oneOf("model", model.CPUHostModel, model.CPUHostPassthrough, "Haswell", "Icelake-Server"),
		CPUVendor: oneOf("vendor", "Intel", "AMD"), Features: some("features", "avx2", "gfni", "vmx", "svm"), Without: some("without", "vmx", "svm"),
		MachineType: oneOf("machine", "q35", "virt", "pc-q35-rhel9.4.0"), HyperV: some("hyperv", "synic", "vpindex", "none"),
		Realtime: rapid.Bool().Draw(t, "realtime"), SEV: rapid.Bool().Draw(t, "sev"), TDX: rapid.Bool().Draw(t, "tdx"),
		TSCFrequency: rapid.SampledFrom([]int64{0, 2_600_000_000, 3_000_000_000}).Draw(t, "tsc"),
	}
}

// What a host no longer says of itself is no reason against it; what it insists on is.
func TestAMissingClassIsLetPass(t *testing.T) {
	prefixes := map[string]Classes{
		PrefixCPUModel: ClassCPUModels, PrefixCPUFeature: ClassCPUFeatures, PrefixCPUVendor: ClassCPUVendor,
		PrefixMachineType: ClassMachineTypes, PrefixHyperV: ClassHyperV,
	}
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.SampledFrom(cpus).Draw(t, "cpu").Labels()
		demands := DemandsOf(&model.VM{Wishes: drawWishes(t)})
		before := demands.Judge(HostOf(labels), 0)
		prefix := rapid.SampledFrom([]string{PrefixCPUModel, PrefixCPUFeature, PrefixCPUVendor, PrefixMachineType, PrefixHyperV}).Draw(t, "class")
		less := HostOf(withoutClass(labels, prefix))
		if less.Published()&prefixes[prefix] != 0 {
			t.Fatalf("Published() = %b with no label of %s", less.Published(), prefix)
		}
		if after := demands.Judge(less, 0); before.OK() && !after.OK() {
			t.Fatalf("without its labels %s* the host is refused: %s", prefix, after)
		}
		if strict := demands.Judge(less, AllClasses); strict.OK() && !before.OK() {
			t.Fatalf("strictly the host does with fewer labels, but not with more: %s", before)
		}
		if lenient, strict := demands.Judge(less, 0), demands.Judge(less, AllClasses); strict.OK() && !lenient.OK() {
			t.Fatalf("leniently the host is refused (%s), strictly it is not", lenient)
		}
	})
}

// Whatever virt-controller would select by is in our demands: a host that it would not select is refused if it is
// strictly judged, and one that it selects is not.
func TestStrictlyAsNodeSelectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.SampledFrom(cpus).Draw(t, "cpu").Labels()
		w := drawWishes(t)
		w.Without = nil // affinity, not a selector
		selector := selectorOf(w)
		selected := true
		for key, value := range selector {
			selected = selected && labels[key] == value
		}
		if got := DemandsOf(&model.VM{Wishes: w}).Judge(HostOf(labels), AllClasses); got.OK() != selected {
			t.Fatalf("Judge() = %q, but a selector %v selects the host: %t", got, maps.Clone(selector), selected)
		}
	})
}

// selectorOf says by independent means what KubeVirt's documentation says a launcher pod is sent by.
func selectorOf(w *model.Wishes) map[string]string {
	s := map[string]string{}
	if w.Architecture != "" {
		s["kubernetes.io/arch"] = w.Architecture
	}
	if w.CPUModel != "" && !strings.HasPrefix(w.CPUModel, "host-") {
		s["cpu-model.node.kubevirt.io/"+w.CPUModel] = "true"
	}
	if w.CPUVendor != "" {
		s["cpu-vendor.node.kubevirt.io/"+w.CPUVendor] = "true"
	}
	for _, f := range w.Features {
		s["cpu-feature.node.kubevirt.io/"+f] = "true"
	}
	if w.MachineType != "" {
		s["machine-type.node.kubevirt.io/"+w.MachineType] = "true"
	}
	for _, e := range w.HyperV {
		s["hyperv.node.kubevirt.io/"+e] = "true"
	}
	for label, wished := range map[string]bool{"kubevirt.io/realtime": w.Realtime, "kubevirt.io/sev": w.SEV, "kubevirt.io/tdx": w.TDX} {
		if wished {
			s[label] = "true"
		}
	}
	switch w.TSCFrequency {
	case 2_600_000_000:
		s["scheduling.node.kubevirt.io/tsc-frequency-2600000000"] = "true"
	case 3_000_000_000:
		s["scheduling.node.kubevirt.io/tsc-frequency-3000000000"] = "true"
	}
	return s
}
