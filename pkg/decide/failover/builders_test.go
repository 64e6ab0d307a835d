// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package failover

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// The incident of the tests: node n1 in boot b1, last seen alive at start.
const (
	testUUID  = "4c4c4544-0042-3510-8053-b4c04f4e5331"
	otherUUID = "11111111-2222-3333-4444-555555555555"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func testPolicy() Policy {
	return Policy{
		LeaseStaleAfter: 25 * time.Second, ConfirmAfter: 50 * time.Second, PowerReadInterval: 5 * time.Second,
		AttemptTimeout: 2 * time.Minute, MaxAttempts: 3, MigrationTimeout: time.Minute, HealthyDelay: time.Minute,
		DriverConfigured: true, DriverName: "redfish",
	}
}

// obsBuilder makes an Observation a number of seconds after the last sign of life.
type obsBuilder struct{ obs Observation }

func at(seconds float64) *obsBuilder {
	d := time.Duration(seconds * float64(time.Second))
	return &obsBuilder{Observation{
		Now: start.Add(d),
		Node: NodeView{
			Exists: true, UID: "uid-1", BootID: "b1", SystemUUID: testUUID, Zone: "z1", Ready: "True",
			LeaseUnchangedFor: d, LeaseLastChange: start, LeaseFingerprint: "lease-0", Tainted: true,
		},
	}}
}

func (b *obsBuilder) Ready(status string) *obsBuilder { b.obs.Node.Ready = status; return b }
func (b *obsBuilder) Untainted() *obsBuilder          { b.obs.Node.Tainted = false; return b }
func (b *obsBuilder) OutOfService() *obsBuilder       { b.obs.Node.OutOfService = true; return b }
func (b *obsBuilder) Boot(id string) *obsBuilder      { b.obs.Node.BootID = id; return b }
func (b *obsBuilder) Token(t string) *obsBuilder      { b.obs.Token = t; return b }
func (b *obsBuilder) Disabled(why string) *obsBuilder { b.obs.DriverDisabled = why; return b }

func (b *obsBuilder) Gone() *obsBuilder { b.obs.Node = NodeView{}; return b }

func (b *obsBuilder) Replaced() *obsBuilder { b.obs.Node.UID = "uid-2"; return b }

// Beat renews the Lease ago seconds before the observation.
func (b *obsBuilder) Beat(ago float64) *obsBuilder {
	d := time.Duration(ago * float64(time.Second))
	b.obs.Node.LeaseLastChange = b.obs.Now.Add(-d)
	b.obs.Node.LeaseUnchangedFor = d
	b.obs.Node.LeaseFingerprint = "lease-" + b.obs.Node.LeaseLastChange.Format(time.RFC3339Nano)
	return b
}

// Restarted makes the watcher one that has been watching for so many seconds only.
func (b *obsBuilder) Restarted(ago float64) *obsBuilder {
	b.obs.Node.LeaseLastChange = time.Time{}
	b.obs.Node.LeaseUnchangedFor = time.Duration(ago * float64(time.Second))
	return b
}

func (b *obsBuilder) Power(power string) *obsBuilder {
	b.obs.Power = PowerView{
		Attempted: true, At: b.obs.Now, Power: power, SystemUUID: testUUID, SystemID: "sys-1", Endpoint: "https://bmc-1",
	}
	return b
}

func (b *obsBuilder) SystemUUID(uuid string) *obsBuilder { b.obs.Power.SystemUUID = uuid; return b }

func (b *obsBuilder) Unreadable(err string) *obsBuilder {
	b.obs.Power = PowerView{Attempted: true, Err: err}
	return b
}

func (b *obsBuilder) Pods(pods ...PodView) *obsBuilder {
	b.obs.Pods.Read, b.obs.Pods.Pods = true, pods
	return b
}

func (b *obsBuilder) Volumes(n int) *obsBuilder { b.obs.Pods.VolumeAttachments = n; return b }

// VM adds what a VM and its VMI are now.
func (b *obsBuilder) VM(name string, vm VMView, vmi VMIView) *obsBuilder {
	b.VMsRead()
	key := types.NamespacedName{Namespace: "ns", Name: name}
	if vmi.Exists && !vmi.LaunchersRead {
		vmi.LaunchersRead = true
		vmi.Launchers = []LauncherView{{Name: "virt-launcher-" + name + "-2", UID: types.UID("pod-" + name + "-2"), Node: vmi.NodeName}}
	}
	b.obs.VMs.VMs[key], b.obs.VMs.VMIs[key] = vm, vmi
	return b
}

func (b *obsBuilder) VMsRead() *obsBuilder {
	if !b.obs.VMs.Read {
		b.obs.VMs = VMsView{Read: true, VMs: map[types.NamespacedName]VMView{}, VMIs: map[types.NamespacedName]VMIView{}}
	}
	return b
}

func (b *obsBuilder) Obj() Observation { return b.obs }

// vmOf and vmiAt make the two halves of a VM; podOf the launcher pod on n1.
func vmOf(name, strategy string) VMView {
	return VMView{Exists: true, UID: types.UID("vm-" + name), RunStrategy: strategy}
}

func vmiAt(uid, phase, node string) VMIView {
	return VMIView{Exists: true, UID: types.UID(uid), Phase: phase, NodeName: node}
}

func moving(vmi VMIView, from, to string) VMIView {
	vmi.Migration = MigrationView{InFlight: true, Name: "mig", SourceNode: from, TargetNode: to}
	return vmi
}

func podOf(name, strategy string) PodView {
	return PodView{
		Namespace: "ns", Name: "virt-launcher-" + name, UID: types.UID("pod-" + name), VMIName: name,
		VMI: vmiAt("vmi-"+name, vmiRunning, "n1"), VM: vmOf(name, strategy),
	}
}

// recordBuilder makes a stored record.
type recordBuilder struct {
	status failurev1alpha1.NodeFailureStatus
}

func testSpec() failurev1alpha1.NodeFailureSpec {
	spec, _ := Open(at(25).Obj().Node, "n1", start)
	return spec
}

func record(phase failurev1alpha1.Phase) *recordBuilder {
	_, status := Open(at(25).Obj().Node, "n1", start.Add(25*time.Second))
	status.Phase = phase
	status.Evidence = []failurev1alpha1.Evidence{{At: micro(start.Add(25 * time.Second)), Signal: signalLease, Detail: "test"}}
	return &recordBuilder{status}
}

func (b *recordBuilder) fence() *failurev1alpha1.Fence {
	if b.status.Fence == nil {
		b.status.Fence = &failurev1alpha1.Fence{
			ID: testSpec().Incident + "-1", Driver: "redfish", Attempt: 1, RequestedAt: micro(start.Add(50 * time.Second)),
		}
	}
	return b.status.Fence
}

func (b *recordBuilder) Fence() *recordBuilder { b.fence(); return b }

func (b *recordBuilder) Issued(seconds float64) *recordBuilder {
	t := micro(start.Add(time.Duration(seconds * float64(time.Second))))
	b.fence().IssuedAt = &t
	return b
}

func (b *recordBuilder) Attempt(n int32) *recordBuilder { b.fence().Attempt = n; return b }

// Off adds a counted Off reading.
func (b *recordBuilder) Off(seconds float64) *recordBuilder {
	v := at(seconds).Power("Off").Obj().Power
	b.fence().OffReadings = append(b.fence().OffReadings, failurev1alpha1.PowerReading{
		At: micro(v.At), Power: v.Power, SystemUUID: v.SystemUUID, SystemID: v.SystemID, Endpoint: v.Endpoint,
	})
	return b
}

func (b *recordBuilder) Proof(seconds float64) *recordBuilder {
	b.fence().Proof = &failurev1alpha1.Proof{
		Kind: failurev1alpha1.ProofAlreadyOff, At: micro(start.Add(time.Duration(seconds * float64(time.Second)))),
		NodeUID: "uid-1", BootID: "b1",
	}
	b.status.Recorded = true
	return b
}

func (b *recordBuilder) Pods(pods ...PodView) *recordBuilder {
	s := pass{spec: testSpec(), out: b.status, obs: at(30).Pods(pods...).Obj()}
	s.capture()
	b.status = s.out
	return b
}

func (b *recordBuilder) State(state failurev1alpha1.VMState) *recordBuilder {
	t := micro(start.Add(31 * time.Second))
	for i := range b.status.VMs {
		b.status.VMs[i].State, b.status.VMs[i].ReleasedAt = state, &t
	}
	return b
}

func (b *recordBuilder) OutOfService() *recordBuilder {
	t := micro(start.Add(60 * time.Second))
	b.status.OutOfServiceAt = &t
	return b
}

func (b *recordBuilder) Obj() failurev1alpha1.NodeFailureStatus { return *b.status.DeepCopy() }
