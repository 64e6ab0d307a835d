// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

var (
	nodeNames = []string{"n0", "n1", "n2", "n3", "n4"}
	vmUIDs    = []types.UID{"v0", "v1", "v2", "v3"}
	jobs      = []string{"", "job1", "job2"}
	labelKeys = []string{
		"kubevirt.io/schedulable", "cpu-model.node.kubevirt.io/Haswell", "kubernetes.io/arch", "kubernetes.io/hostname",
		"topology.kubernetes.io/zone", "rack", "disk", "scheduling.node.kubevirt.io/tsc-frequency-2900000000", "cpu-timer.node.kubevirt.io/tsc-frequency",
	}
)

// machine drives upstream's cache, as a scheduler's informers and cycles do, and what is known of VMs and failures.
type machine struct {
	*rig
	limit int
	// nodes and pods are those that the cache has; pods also on nodes that it has not, or no longer.
	nodes    map[string]*corev1.Node
	pods     map[string]*corev1.Pod
	assumed  map[string]bool
	made     int
	selected map[string]bool
}

// The view equals a full rebuild, and what it says of a NodeInfo that is not in the snapshot is what it would say if
// it were.
func TestViewEqualsRebuild(t *testing.T) {
	// Several times over: what only labels of the same number, or only three launchers, bring to light is rare.
	for range 8 {
		rapid.Check(t, viewEqualsRebuild)
	}
}

func viewEqualsRebuild(t *rapid.T) {
	ctx := klog.NewContext(t.Context(), klog.Logger{}) // upstream's cache logs every node
	const limit = 2
	m := &machine{
		rig: newRig(ctx, limit), limit: limit, nodes: map[string]*corev1.Node{}, pods: map[string]*corev1.Pod{},
		assumed: map[string]bool{}, selected: map[string]bool{},
	}
	t.Repeat(map[string]func(*rapid.T){
		"node":         m.node,
		"remove node":  m.removeNode,
		"place":        m.place,
		"place again":  m.place, // more often than others
		"migrate":      m.migrate,
		"confirm":      m.confirm,
		"forget":       m.forget,
		"update pod":   m.updatePod,
		"delete pod":   m.deletePod,
		"VMI":          m.setVM,
		"delete VMI":   m.deleteVM,
		"node failure": m.fail,
		"select":       m.selectBy,
		"affinity":     m.followAffinity,
		"refresh":      m.check,
		"changed info": m.checkChanged,
	})
	m.check(t)
}

// pick draws one of those that there are. Where there are none rapid is told to draw another action in this one's place:
// that is what Skip means in a Repeat. No check is left out by it; check runs after the last action in any case.
func pick[K ~string, V any](t *rapid.T, of map[K]V, what string) K {
	if len(of) == 0 {
		t.Skip("there is no " + what)
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(of))).Draw(t, what)
}

func (m *machine) node(t *rapid.T) {
	name := rapid.SampledFrom(nodeNames).Draw(t, "node")
	before := m.nodes[name]
	if before != nil && rapid.Bool().Draw(t, "heartbeat") {
		after := before.DeepCopy()
		after.ResourceVersion += "1"
		m.cache.UpdateNode(m.logger, before, after)
		m.nodes[name] = after
		return
	}
	labels := map[string]string{}
	for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom(labelKeys), rapid.ID).Draw(t, "labels") {
		labels[key] = rapid.SampledFrom([]string{"x", "y", "z", ""}).Draw(t, "value")
	}
	after := node(name, labels)
	if before == nil {
		m.cache.AddNode(m.logger, after)
	} else {
		m.cache.UpdateNode(m.logger, before, after)
	}
	m.nodes[name] = after
}

func (m *machine) removeNode(t *rapid.T) {
	name := pick(t, m.nodes, "node")
	must(t, m.cache.RemoveNode(m.logger, m.nodes[name]))
	delete(m.nodes, name)
}

// newPod is on any node, also one that the cache does not have.
func (m *machine) newPod(t *rapid.T, vm types.UID) *corev1.Pod {
	m.made++
	b := makePod(fmt.Sprintf("pod-%d", m.made), rapid.SampledFrom(nodeNames).Draw(t, "on"))
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case vm != "":
		b = b.Launcher(vm).Requests("cpu", "200m", "memory", "1Gi")
	case kind == 0:
		b = b.Requests("cpu", "1", "memory", "1Gi", "hugepages-2Mi", "4Mi", "hugepages-1Gi", "1Gi")
	case kind == 1:
		b = b.Attachment().Requests("cpu", "100m")
	default:
		b = b.Launcher(rapid.SampledFrom(vmUIDs).Draw(t, "vm")).Requests("cpu", "400m", "memory", "2Gi")
		if kind == 2 {
			b = b.Target(rapid.SampledFrom(jobs).Draw(t, "job"), time.Duration(rapid.IntRange(0, 3).Draw(t, "created"))*time.Second)
		}
	}
	return b.Obj()
}

func (m *machine) put(t *rapid.T, pod *corev1.Pod) {
	if rapid.Bool().Draw(t, "assume") {
		must(t, m.cache.AssumePod(m.logger, pod))
		m.assumed[pod.Name] = true
	} else {
		must(t, m.cache.AddPod(m.logger, pod))
	}
	m.pods[pod.Name] = pod
}

func (m *machine) place(t *rapid.T) { m.put(t, m.newPod(t, "")) }

// migrate gives a VM that has a launcher another.
func (m *machine) migrate(t *rapid.T) {
	vms := map[types.UID]bool{}
	for _, pod := range m.pods {
		if uid := types.UID(pod.Labels["kubevirt.io/created-by"]); uid != "" {
			vms[uid] = true
		}
	}
	uid := pick(t, vms, "vm")
	pod := m.newPod(t, uid)
	m.put(t, podBuilder{pod}.Target(rapid.SampledFrom(jobs).Draw(t, "job"), time.Duration(m.made)*time.Second).Obj())
}

// confirm is the API server's word that an assumed pod is bound.
func (m *machine) confirm(t *rapid.T) {
	name := pick(t, m.assumed, "assumed pod")
	must(t, m.cache.AddPod(m.logger, m.pods[name].DeepCopy()))
	delete(m.assumed, name)
}

func (m *machine) forget(t *rapid.T) {
	name := pick(t, m.assumed, "assumed pod")
	must(t, m.cache.ForgetPod(m.logger, m.pods[name]))
	delete(m.assumed, name)
	delete(m.pods, name)
}

func (m *machine) bound() map[string]*corev1.Pod {
	bound := maps.Clone(m.pods)
	maps.DeleteFunc(bound, func(name string, _ *corev1.Pod) bool { return m.assumed[name] })
	return bound
}

func (m *machine) updatePod(t *rapid.T) {
	name := pick(t, m.bound(), "pod")
	before := m.pods[name]
	after := before.DeepCopy()
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		podBuilder{after}.Ending()
	case 1:
		podBuilder{after}.Phase(rapid.SampledFrom([]corev1.PodPhase{corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed}).Draw(t, "phase"))
	case 2:
		podBuilder{after}.Requests("cpu", "3", "memory", "3Gi")
	case 3: // somebody's doing that KubeVirt does not do
		podBuilder{after}.Launcher(rapid.SampledFrom(vmUIDs).Draw(t, "vm")).Requests("cpu", "1", "hugepages-2Mi", "8Mi")
	}
	must(t, m.cache.UpdatePod(m.logger, before, after))
	m.pods[name] = after
}

func (m *machine) deletePod(t *rapid.T) {
	name := pick(t, m.bound(), "pod")
	must(t, m.cache.RemovePod(m.logger, m.pods[name]))
	delete(m.pods, name)
}

func (m *machine) setVM(t *rapid.T) {
	known := vm(rapid.SampledFrom(vmUIDs).Draw(t, "vm"), rapid.Int64Range(1, 8).Draw(t, "vcpus"), rapid.Int64Range(0, 4).Draw(t, "memory")*gib)
	known.Size.DedicatedCPUs = rapid.Bool().Draw(t, "dedicated")
	known.Size.PageSize = rapid.SampledFrom([]int64{model.OrdinaryMemory, 2 << 20, gib}).Draw(t, "pages")
	known.Move = model.Move{Migration: types.UID(rapid.SampledFrom(jobs).Draw(t, "job")), Ended: rapid.Bool().Draw(t, "ended")}
	known.Host = rapid.SampledFrom(append([]string{""}, nodeNames...)).Draw(t, "host")
	known.Evacuating = rapid.SampledFrom([]string{"", "n0"}).Draw(t, "evacuating")
	m.vms.Set(known)
}

func (m *machine) deleteVM(t *rapid.T) { m.vms.Delete(rapid.SampledFrom(vmUIDs).Draw(t, "vm")) }

func (m *machine) fail(t *rapid.T) {
	m.failures.Prove(rapid.SampledFrom(nodeNames).Draw(t, "node"), rapid.Bool().Draw(t, "open"), rapid.Bool().Draw(t, "proved"))
}

func (m *machine) selectBy(t *rapid.T) {
	key := rapid.SampledFrom(labelKeys).Draw(t, "key")
	m.view.SelectBy(key)
	m.selected[key] = true
}

func (m *machine) oracle(list []fwk.NodeInfo) oracle {
	return oracle{list: list, vms: m.vms, failures: m.failures, selected: m.selected, limit: m.limit}
}

// check refreshes the view as a cycle does, and compares all that it says.
func (m *machine) check(t *rapid.T) {
	m.refresh(t)
	list, err := m.snapshot.NodeInfos().List()
	must(t, err)
	got := dumpOf(m.view, labelKeys)
	if diff := cmp.Diff(m.oracle(list).dump(labelKeys), got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the view differs from what is there (-want +got):\n%s", diff)
	}
	m.checkAffinity(t, list)
	rebuilt := newView(m.snapshot, &simVMs{vms: m.vms.vms}, &simFailures{open: m.failures.open, proved: m.failures.proved}, m.limit)
	rebuilt.SelectBy(slices.Sorted(maps.Keys(m.selected))...)
	must(t, rebuilt.Refresh())
	if diff := cmp.Diff(dumpOf(rebuilt, labelKeys), got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the view differs from a rebuilt one (-want +got):\n%s", diff)
	}
	for _, info := range list {
		if h, _ := m.view.HostNamed(info.Node().Name); h != m.view.Host(info) {
			t.Fatalf("host %s of the snapshot is not answered from the view", info.Node().Name)
		}
	}
}

// checkChanged changes a copy of a NodeInfo, as preemption and nominated pods do.
func (m *machine) checkChanged(t *rapid.T) {
	m.check(t)
	list, err := m.snapshot.NodeInfos().List()
	must(t, err)
	if len(list) == 0 {
		t.Skip("no node to be changed: another action is drawn")
	}
	at := rapid.IntRange(0, len(list)-1).Draw(t, "node")
	changed := list[at].Snapshot()
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		if pods := changed.GetPods(); len(pods) > 0 && rapid.Bool().Draw(t, "remove") {
			must(t, changed.RemovePod(m.logger, rapid.SampledFrom(pods).Draw(t, "pod").GetPod()))
			continue
		}
		pod := m.newPod(t, "")
		pod.Spec.NodeName = changed.Node().Name
		changed.AddPodInfo(podInfo(pod))
	}
	as := slices.Clone(list)
	as[at] = changed
	o := m.oracle(as)
	if diff := cmp.Diff(o.host(changed, o.launchers()), dumpHost(m.view, m.view.Host(changed)), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("a changed NodeInfo (-want +got):\n%s", diff)
	}
	if got := dumpOf(m.view, labelKeys); !cmp.Equal(m.oracle(list).dump(labelKeys), got, cmpopts.EquateEmpty()) {
		t.Fatal("the view was changed by looking at another NodeInfo")
	}
}
