// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package migratability

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/fit/simlabels"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

func guestOf(w model.Wishes, podSelector map[string]string) *Guest {
	vm := &model.VM{Wishes: &w}
	return GuestOf(vm, fit.DemandsOf(vm), podSelector)
}

var (
	hostModel   = model.Wishes{CPUModel: model.CPUHostModel, MachineType: "q35"}
	passthrough = model.Wishes{CPUModel: model.CPUHostPassthrough}
	haswell     = model.Wishes{CPUModel: "Haswell"}
)

func TestCanMove(t *testing.T) {
	skylake, cascadelake, icelake := simlabels.Skylake().Labels(), simlabels.Cascadelake().Labels(), simlabels.Icelake().Labels()
	rome, arm, bare := simlabels.Rome().Labels(), simlabels.Arm().Labels(), simlabels.Unlabelled("amd64")
	fromSkylake := map[string]string{
		"cpu-model-migration.node.kubevirt.io/Skylake-Server": "true", "cpu-feature.node.kubevirt.io/md-clear": "true",
		"cpu-vendor.node.kubevirt.io/Intel": "true", "kubevirt.io/schedulable": "true",
	}
	tests := map[string]struct {
		wishes      model.Wishes
		podSelector map[string]string
		from, to    map[string]string
		insist      fit.Classes
		want        bool
	}{
		"host model, to an equal host":               {wishes: hostModel, from: cascadelake, to: cascadelake, want: true},
		"host model, to a newer host":                {wishes: hostModel, from: cascadelake, to: icelake, want: true},
		"host model, to an older host":               {wishes: hostModel, from: cascadelake, to: skylake},
		"by default it is the host's model":          {from: cascadelake, to: skylake},
		"a model that the target does not know":      {wishes: hostModel, from: cascadelake, to: simlabels.With(icelake, "cpu-model-migration.node.kubevirt.io/Cascadelake-Server", "-")},
		"host model, another vendor":                 {wishes: hostModel, from: rome, to: skylake},
		"host model, to one that says nothing":       {wishes: hostModel, from: cascadelake, to: bare},
		"host model, obsolete at the target":         {wishes: hostModel, from: cascadelake, to: simlabels.With(icelake, "node-labeller.kubevirt.io/obsolete-host-model", "true")},
		"host model and a feature":                   {wishes: model.Wishes{CPUModel: model.CPUHostModel, Features: []string{"gfni"}}, from: icelake, to: simlabels.With(icelake, "cpu-feature.node.kubevirt.io/gfni", "-")},
		"moved before: the first host counts":        {wishes: hostModel, podSelector: fromSkylake, from: icelake, to: skylake, want: true},
		"moved before: what it had there is missing": {wishes: hostModel, podSelector: fromSkylake, from: icelake, to: simlabels.With(skylake, "cpu-feature.node.kubevirt.io/md-clear", "-")},
		"moved before, another vendor":               {wishes: hostModel, podSelector: fromSkylake, from: icelake, to: rome},
		"features of its own are no move": {
			wishes: hostModel, podSelector: map[string]string{"cpu-feature.node.kubevirt.io/avx2": "true"}, from: cascadelake, to: skylake,
		},
		"passed through, to an equal host":         {wishes: passthrough, from: cascadelake, to: cascadelake, want: true},
		"passed through, to a newer host":          {wishes: passthrough, from: cascadelake, to: icelake},
		"passed through, other microcode":          {wishes: passthrough, from: cascadelake, to: simlabels.With(cascadelake, "host-model-required-features.node.kubevirt.io/taa-no", "true")},
		"passed through, obsolete but equal":       {wishes: passthrough, from: obsolete(), to: obsolete(), want: true},
		"a named model":                            {wishes: haswell, from: icelake, to: skylake, want: true},
		"a named model, another vendor":            {wishes: model.Wishes{CPUModel: "Nehalem"}, from: rome, to: skylake},
		"a named model that the target has not":    {wishes: model.Wishes{CPUModel: "Icelake-Server"}, from: icelake, to: skylake},
		"a named model, to one that says nothing":  {wishes: haswell, from: skylake, to: bare},
		"a named model, neither says anything":     {wishes: haswell, from: bare, to: bare, want: true},
		"neither says anything, strictly":          {wishes: haswell, from: bare, to: bare, insist: fit.AllClasses},
		"another architecture":                     {wishes: haswell, from: bare, to: arm},
		"machine types that neither publishes":     {wishes: hostModel, from: noMachines(cascadelake), to: noMachines(icelake), want: true},
		"machine types that the target should say": {wishes: hostModel, from: cascadelake, to: noMachines(icelake)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			from, to := HostOf(tc.from), HostOf(tc.to)
			if got := guestOf(tc.wishes, tc.podSelector).CanMove(from, to, Relate(from, to), tc.insist); got != tc.want {
				t.Errorf("CanMove() = %t, want %t", got, tc.want)
			}
		})
	}
}

// obsolete is a host whose own model the cluster has declared obsolete: nobody publishes it as a model to migrate to.
func obsolete() map[string]string {
	return simlabels.With(simlabels.Skylake().Labels(), "cpu-model-migration.node.kubevirt.io/Skylake-Server", "-",
		"node-labeller.kubevirt.io/obsolete-host-model", "true")
}

func noMachines(labels map[string]string) map[string]string {
	return simlabels.With(labels, "machine-type.node.kubevirt.io/q35", "-",
		"machine-type.node.kubevirt.io/pc-q35-rhel9.4.0", "-", "machine-type.node.kubevirt.io/pc-q35-rhel9.6.0", "-")
}

func TestKnown(t *testing.T) {
	skylake, arm, bare := HostOf(simlabels.Skylake().Labels()), HostOf(simlabels.Arm().Labels()), HostOf(simlabels.Unlabelled("amd64"))
	moved := map[string]string{"cpu-model-migration.node.kubevirt.io/Skylake-Server": "true"}
	tests := map[string]struct {
		guest *Guest
		from  *Host
		want  bool
	}{
		"host model":                          {guestOf(hostModel, nil), skylake, true},
		"host model, nothing published":       {guestOf(hostModel, nil), bare, false},
		"host model, arm64 has none":          {guestOf(hostModel, nil), arm, false},
		"host model, moved before, bare host": {guestOf(hostModel, moved), bare, false},
		"passed through":                      {guestOf(passthrough, nil), skylake, true},
		"passed through on arm64":             {guestOf(passthrough, nil), arm, false},
		"named model":                         {guestOf(haswell, nil), skylake, true},
		"named model, nothing published":      {guestOf(haswell, nil), bare, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.guest.Known(tc.from); got != tc.want {
				t.Errorf("Known() = %t, want %t", got, tc.want)
			}
		})
	}
}

func TestCanEverMove(t *testing.T) {
	tests := map[string]struct {
		wishes *model.Wishes
		want   bool
	}{
		"nothing said":     {wishes: nil, want: true},
		"ordinary":         {wishes: &hostModel, want: true},
		"a GPU":            {wishes: &model.Wishes{Devices: []string{"nvidia.com/A100"}}},
		"encrypted (SEV)":  {wishes: &model.Wishes{SEV: true}},
		"encrypted (SNP)":  {wishes: &model.Wishes{SEVSNP: true}},
		"encrypted (TDX)":  {wishes: &model.Wishes{TDX: true}},
		"encrypted (s390)": {wishes: &model.Wishes{SecureExecution: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := CanEverMove(tc.wishes); got != tc.want {
				t.Errorf("CanEverMove() = %t, want %t", got, tc.want)
			}
		})
	}
}

// class is a class of hosts, and how many of them take VMs.
type class struct {
	host      *Host
	receivers int
}

type cluster []class

func (c cluster) Classes() int                   { return len(c) }
func (c cluster) Host(class int) *Host           { return c[class].host }
func (c cluster) Relation(from, to int) Relation { return Relate(c[from].host, c[to].host) }
func (c cluster) Receivers(class int) int        { return c[class].receivers }

func TestCount(t *testing.T) {
	const skylake, cascadelake, icelake, bare = 0, 1, 2, 3
	hosts := cluster{
		{host: HostOf(simlabels.Skylake().Labels()), receivers: 5},
		{host: HostOf(simlabels.Cascadelake().Labels()), receivers: 2},
		{host: HostOf(simlabels.Icelake().Labels()), receivers: 1},
		{host: HostOf(simlabels.Unlabelled("amd64")), receivers: 9},
	}
	tests := map[string]struct {
		from, limit  int
		receiver     bool
		want         int
		wantNotKnown bool
	}{
		"itself and one newer":            {from: cascadelake, limit: 10, receiver: true, want: 2},
		"from a host that is no receiver": {from: cascadelake, limit: 10, want: 3},
		"the only one of the newest":      {from: icelake, limit: 10, receiver: true, want: 0},
		"saturates":                       {from: skylake, limit: 3, receiver: true, want: 3},
		"not known":                       {from: bare, limit: 3, wantNotKnown: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			exits := guestOf(hostModel, nil).Count(tc.from, hosts, 0, tc.limit)
			if exits.Known == tc.wantNotKnown {
				t.Fatalf("Count() = %+v, want known: %t", exits, !tc.wantNotKnown)
			}
			if got := exits.Others(tc.receiver, tc.limit); exits.Known && got != tc.want {
				t.Errorf("Others() = %d, want %d", got, tc.want)
			}
		})
	}
}

// drawLabels makes hosts that are alike or nearly so.
func drawLabels(t *rapid.T) map[string]string {
	cpus := []simlabels.CPU{simlabels.Skylake(), simlabels.Cascadelake(), simlabels.Icelake(), simlabels.Rome(), simlabels.Arm()}
	labels := rapid.SampledFrom(cpus).Draw(t, "cpu").Labels()
	return rapid.SampledFrom([]map[string]string{
		labels, simlabels.Unlabelled("amd64"), noMachines(labels),
		simlabels.With(labels, "cpu-feature.node.kubevirt.io/md-clear", "-"),
		simlabels.With(labels, "cpu-model.node.kubevirt.io/Haswell", "-"),
		simlabels.With(labels, "node-labeller.kubevirt.io/obsolete-host-model", "true"),
	}).Draw(t, "labels")
}

// Counting class by class gives what looking at each pair of hosts gives.
func TestClassesCountAsHostByHost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.Custom(drawLabels), 1, 6).Draw(t, "kinds")
		hosts := rapid.SliceOfN(rapid.IntRange(0, len(kinds)-1), 1, 20).Draw(t, "hosts") // host -> its class
		receives := rapid.SliceOfN(rapid.Bool(), len(hosts), len(hosts)).Draw(t, "receives")
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		insist := rapid.SampledFrom([]fit.Classes{0, fit.AllClasses}).Draw(t, "insist")
		guest := guestOf(rapid.SampledFrom([]model.Wishes{hostModel, passthrough, haswell, {Features: []string{"md-clear"}}}).Draw(t, "wishes"),
			rapid.SampledFrom([]map[string]string{nil, {"cpu-model-migration.node.kubevirt.io/Skylake-Server": "true"}}).Draw(t, "selector"))

		classes := make(cluster, len(kinds))
		for i, labels := range kinds {
			classes[i].host = HostOf(labels)
		}
		for i, class := range hosts {
			if receives[i] {
				classes[class].receivers = min(classes[class].receivers+1, limit+1)
			}
		}
		for i, class := range hosts {
			want, from := 0, HostOf(kinds[class])
			for j, other := range hosts {
				to := HostOf(kinds[other])
				if i != j && receives[j] && guest.CanMove(from, to, Relate(from, to), insist) {
					want++
				}
			}
			exits := guest.Count(class, classes, insist, limit)
			if exits.Known != guest.Known(from) {
				t.Fatalf("host %d: known %t, want %t", i, exits.Known, guest.Known(from))
			}
			if got := exits.Others(receives[i], limit); exits.Known && got != min(want, limit) {
				t.Fatalf("host %d of class %d: %d others, host by host %d (limit %d)", i, class, got, want, limit)
			}
		}
	})
}

// A further host never makes a VM less migratable.
func TestMoreHostsMoreExits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := cluster(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) class {
			return class{host: HostOf(drawLabels(t)), receivers: rapid.IntRange(0, 4).Draw(t, "receivers")}
		}), 1, 6).Draw(t, "classes"))
		guest := guestOf(rapid.SampledFrom([]model.Wishes{hostModel, passthrough, haswell}).Draw(t, "wishes"), nil)
		before := make([]Exits, len(classes))
		for from := range classes {
			before[from] = guest.Count(from, classes, 0, 5)
		}
		classes[rapid.IntRange(0, len(classes)-1).Draw(t, "grown")].receivers++
		for from := range classes {
			if after := guest.Count(from, classes, 0, 5); after.Others(false, 5) < before[from].Others(false, 5) {
				t.Fatalf("from class %d: %+v before, %+v after", from, before[from], after)
			}
		}
	})
}

func BenchmarkRelate(b *testing.B) {
	for _, features := range []int{10, 60} {
		b.Run(fmt.Sprintf("features=%d", features), func(b *testing.B) {
			cpu := simlabels.Cascadelake()
			for i := range features {
				name := fmt.Sprintf("feature-%d", i)
				cpu.Required, cpu.Features = append(cpu.Required, name), append(cpu.Features, name)
			}
			from, to := HostOf(cpu.Labels()), HostOf(cpu.Labels())
			b.ReportAllocs()
			for b.Loop() {
				if Relate(from, to)&HasModel == 0 {
					b.Fatal("equal hosts are not related")
				}
			}
		})
	}
}
