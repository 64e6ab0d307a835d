// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// The model is a small world around Next: one machine under node n1, a second node n2 that never fails, a BMC, KubeVirt and
// kube-controller-manager as far as kubevirt-facts.md tells of them. What really runs (running) is kept apart from what
// the API says.

const (
	kcmGrace  = 50 * time.Second
	leaseBeat = 10 * time.Second
)

type modelPod struct {
	uid      types.UID
	finished bool
	started  bool
	boot     int
}

// modelVM is one VM. pods and running are by node name.
type modelVM struct {
	name, strategy string
	run            int // counts VMIs
	phase, node    string
	pods           map[string]*modelPod
	running        map[string]bool
	source, target string // of the migration in flight
	stage          int    // 0 copying, 1 switched over, 2 nodeName written
	failAt         time.Time
}

type machine struct {
	on         bool
	boot       int
	goesOffAt  time.Time
	ignoresOff bool
	partition  bool
	kubelet    bool
	netBroken  bool
}

type world struct {
	now   time.Time
	host  machine
	other machine // what a swapped BMC serves
	bmc   struct {
		unreachable, swapped, noUUID, stuck bool
		disabled                            string
	}
	node struct {
		exists            bool
		uid               int
		boot              int // as the API knows it
		ready             string
		lease             int
		renewedAt         time.Time
		tainted, oos      bool
		foreignOOS        bool
		deletedAt         time.Time
		attachments       int
		attachmentsGoneAt time.Time
	}
	watchSince   time.Time // the watcher's start
	seenLease    int
	seenChangeAt time.Time // zero: not since its start
	token        string
	vms          []*modelVM
	// nodeDeleted: Kubernetes released pods by itself, so that VMs may run twice by nobody's proof.
	nodeDeleted bool
	twice       string
	poweredOff  []string
	nextUID     int
}

func newWorld(vms []*modelVM) *world {
	w := &world{now: start, vms: vms}
	w.host = machine{on: true, boot: 1, kubelet: true}
	w.other = machine{on: false, boot: 1}
	w.node.exists, w.node.uid, w.node.boot, w.node.ready = true, 1, 1, "True"
	w.node.renewedAt, w.watchSince, w.seenChangeAt = start, start.Add(-time.Hour), start
	w.node.attachments = len(vms)
	for _, vm := range vms {
		vm.pods, vm.running = map[string]*modelPod{}, map[string]bool{}
		home := "n1"
		if vm.source == "n2" {
			home = "n2"
		}
		w.startVMI(vm, home)
		if vm.target != "" {
			vm.pods[vm.target] = w.newPod(true)
		}
	}
	return w
}

func (w *world) newPod(started bool) *modelPod {
	w.nextUID++
	return &modelPod{uid: types.UID(fmt.Sprintf("pod-%d", w.nextUID)), started: started, boot: w.host.boot}
}

func (w *world) startVMI(vm *modelVM, node string) {
	vm.run++
	vm.phase, vm.node = vmiRunning, node
	vm.pods[node] = w.newPod(true)
	w.runs(vm, node)
}

// runs starts a guest and notices a second one.
func (w *world) runs(vm *modelVM, node string) {
	vm.running[node] = true
	if vm.running["n1"] && vm.running["n2"] && !w.nodeDeleted {
		w.twice = vm.name
	}
}

// connected: the node's agents can write to the API.
func (w *world) connected() bool {
	return w.host.on && w.host.kubelet && !w.host.partition && w.node.exists
}

// power sets a machine's power; a machine that goes off loses its guests, one that comes on boots.
func (w *world) power(m *machine, on bool) {
	if m.on == on {
		return
	}
	m.on = on
	m.goesOffAt = time.Time{}
	if on {
		m.boot++
		m.kubelet, m.partition = true, false
		return
	}
	if m == &w.host {
		for _, vm := range w.vms {
			vm.running["n1"] = false
		}
	}
}

// advance lets d pass.
func (w *world) advance(d time.Duration) {
	w.now = w.now.Add(d)
	for _, m := range []*machine{&w.host, &w.other} {
		if !m.goesOffAt.IsZero() && !w.now.Before(m.goesOffAt) && !m.ignoresOff {
			w.power(m, false)
		}
	}
	w.kubelet()
	w.controllerManager()
	for _, vm := range w.vms {
		w.migrate(vm)
		w.kubevirt(vm)
	}
	if w.node.lease != w.seenLease {
		w.seenLease, w.seenChangeAt = w.node.lease, w.now
	}
}

// kubelet beats, and after a reboot ends the pods of the earlier boot; a pod that had never started it starts.
func (w *world) kubelet() {
	if !w.connected() {
		return
	}
	if w.node.boot != w.host.boot {
		w.node.boot = w.host.boot
		w.node.renewedAt = w.now.Add(-leaseBeat)
	}
	if w.now.Sub(w.node.renewedAt) >= leaseBeat {
		w.node.lease++
		w.node.renewedAt = w.now
	}
	w.node.ready = "True"
	if w.host.netBroken {
		w.node.ready = "False"
	}
	for _, vm := range w.vms {
		pod := vm.pods["n1"]
		switch {
		case pod == nil:
		case pod.started && pod.boot != w.host.boot:
			pod.finished = true
		case !pod.started && !pod.finished:
			pod.started, pod.boot = true, w.host.boot
			if vm.node == "n1" {
				w.runs(vm, "n1")
			}
		}
	}
}

func (w *world) controllerManager() {
	if w.node.exists && w.now.Sub(w.node.renewedAt) >= kcmGrace {
		w.node.ready = "Unknown"
	}
	outOfService := (w.node.oos || w.node.foreignOOS) && w.node.exists && w.node.ready != "True"
	orphaned := !w.node.exists && w.now.Sub(w.node.deletedAt) >= 40*time.Second
	if orphaned || outOfService {
		for _, vm := range w.vms {
			delete(vm.pods, "n1")
		}
	}
	if !outOfService || w.node.attachments == 0 {
		w.node.attachmentsGoneAt = time.Time{}
		return
	}
	if w.node.attachmentsGoneAt.IsZero() {
		w.node.attachmentsGoneAt = w.now.Add(3 * time.Second)
	} else if w.now.After(w.node.attachmentsGoneAt) {
		w.node.attachments = 0
	}
}

// migrate plays what happens when a side dies; progress is an action of the test.
func (w *world) migrate(vm *modelVM) {
	if vm.target == "" || w.host.on || vm.stage != 0 {
		return
	}
	if vm.failAt.IsZero() {
		vm.failAt = w.now.Add(5 * time.Second)
	}
	if w.now.After(vm.failAt) {
		w.endMigration(vm)
	}
}

// progress takes a migration one stage on, as far as the sides live.
func (w *world) progress(vm *modelVM) {
	if vm.target == "" {
		return
	}
	targetWrites := vm.target == "n2" || w.connected()
	switch vm.stage {
	case 0:
		if !w.connected() {
			return
		}
		vm.running[vm.source] = false
		w.runs(vm, vm.target)
		vm.stage = 1
	case 1:
		if targetWrites {
			vm.node = vm.target
			vm.stage = 2
		}
	case 2:
		if targetWrites {
			if pod := vm.pods[vm.source]; pod != nil && (vm.source == "n2" || w.connected()) {
				pod.finished = true
			}
			w.endMigration(vm)
		}
	}
}

func (w *world) endMigration(vm *modelVM) { vm.source, vm.target = "", "" }

// kubevirt is virt-controller, and the kubelet of n2.
func (w *world) kubevirt(vm *modelVM) {
	if vm.phase == vmiRunning {
		if pod := vm.pods[vm.node]; pod == nil || pod.finished {
			vm.phase = vmiFailed
			w.endMigration(vm)
		}
	}
	if vm.phase != vmiFailed {
		return
	}
	delete(vm.pods, "n2")
	vm.running["n2"] = false
	if pod := vm.pods["n1"]; pod != nil && !pod.finished && !w.connected() {
		return
	}
	if w.connected() {
		vm.running["n1"] = false
	}
	delete(vm.pods, "n1")
	switch vm.strategy {
	case strategyAlways, strategyRerunOnFailure:
		w.startVMI(vm, "n2")
	case strategyHalted:
		vm.phase, vm.node = "", ""
	}
}

func bootID(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("boot-%d", n)
}

// nodeView is what the watcher sees. taint is the value of the incident that asks.
func (w *world) nodeView() NodeView {
	if !w.node.exists {
		return NodeView{}
	}
	since := w.watchSince
	if w.seenChangeAt.After(since) {
		since = w.seenChangeAt
	}
	v := NodeView{
		Exists: true, UID: types.UID(fmt.Sprintf("node-%d", w.node.uid)), BootID: bootID(w.node.boot), SystemUUID: testUUID,
		Ready: w.node.ready, LeaseUnchangedFor: w.now.Sub(since), LeaseFingerprint: fmt.Sprintf("lease-%d", w.node.lease),
		Tainted: w.node.tainted, OutOfService: w.node.oos || w.node.foreignOOS,
	}
	if w.seenChangeAt.After(w.watchSince) {
		v.LeaseLastChange = w.seenChangeAt
	}
	return v
}

// served is the machine that the BMC speaks for.
func (w *world) served() (*machine, string) {
	if w.bmc.swapped {
		return &w.other, otherUUID
	}
	if w.bmc.noUUID {
		return &w.host, ""
	}
	return &w.host, testUUID
}

func (w *world) powerView() PowerView {
	if w.bmc.unreachable {
		return PowerView{Attempted: true, Err: "dial: timeout"}
	}
	m, uuid := w.served()
	v := PowerView{Attempted: true, At: w.now, Power: powerOff, SystemUUID: uuid, SystemID: "sys-1", Endpoint: "https://bmc-1"}
	switch {
	case w.bmc.stuck:
		v.Power = "Unknown"
	case m.on && !m.goesOffAt.IsZero() && w.now.Add(time.Second).After(m.goesOffAt):
		v.Power = "Transitional"
	case m.on:
		v.Power = powerOn
	}
	return v
}

func (w *world) vmiView(vm *modelVM) VMIView {
	if vm.phase == "" {
		return VMIView{}
	}
	v := vmiAt(fmt.Sprintf("vmi-%s-%d", vm.name, vm.run), vm.phase, vm.node)
	if vm.target != "" {
		v.Migration = MigrationView{InFlight: true, Name: "mig-" + vm.name, SourceNode: vm.source, TargetNode: vm.target}
	}
	return v
}

func (w *world) podsView() PodsView {
	v := PodsView{Read: true, VolumeAttachments: w.node.attachments}
	for _, vm := range w.vms {
		if pod := vm.pods["n1"]; pod != nil {
			v.Pods = append(v.Pods, PodView{
				Namespace: "ns", Name: "launcher-" + string(pod.uid), UID: pod.uid, VMIName: vm.name, Finished: pod.finished,
				VMI: w.vmiView(vm), VM: vmOf(vm.name, vm.strategy), Target: vm.target == "n1",
			})
		}
	}
	return v
}

func (w *world) vmsView() VMsView {
	v := VMsView{Read: true, VMs: map[types.NamespacedName]VMView{}, VMIs: map[types.NamespacedName]VMIView{}}
	for _, vm := range w.vms {
		key := types.NamespacedName{Namespace: "ns", Name: vm.name}
		vmi := w.vmiView(vm)
		vmi.LaunchersRead = true
		for node, pod := range vm.pods {
			if pod != nil {
				vmi.Launchers = append(vmi.Launchers, LauncherView{Name: "launcher-" + string(pod.uid), UID: pod.uid, Node: node, Ended: pod.finished})
			}
		}
		v.VMs[key], v.VMIs[key] = vmOf(vm.name, vm.strategy), vmi
	}
	return v
}

// observe reads what needs asks for.
func (w *world) observe(needs Needs) Observation {
	obs := Observation{Now: w.now, Node: w.nodeView(), Token: w.token, DriverDisabled: w.bmc.disabled}
	if needs.Power {
		obs.Power = w.powerView()
	}
	if needs.Pods {
		obs.Pods = w.podsView()
	}
	if needs.VMs {
		obs.VMs = w.vmsView()
	}
	return obs
}
