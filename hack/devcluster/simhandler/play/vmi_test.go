// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func conditionOf(vmi *virtv1.VirtualMachineInstance, kind virtv1.VirtualMachineInstanceConditionType) *virtv1.VirtualMachineInstanceCondition {
	for i := range vmi.Status.Conditions {
		if vmi.Status.Conditions[i].Type == kind {
			return &vmi.Status.Conditions[i]
		}
	}
	return nil
}

func TestBoot(t *testing.T) {
	th := newTheatre(t, makeVMI().Phase(virtv1.Scheduled).Node("a").Obj(), makePod("a").Gate("gate").Obj())
	th.settle()
	if th.guestOn() != "a" || th.vmi.Status.Phase != virtv1.Running {
		t.Fatalf("guest on %q, phase %s; want a, Running", th.guestOn(), th.vmi.Status.Phase)
	}
	for _, kind := range []virtv1.VirtualMachineInstanceConditionType{
		virtv1.VirtualMachineInstanceIsMigratable, virtv1.VirtualMachineInstanceIsStorageLiveMigratable,
	} {
		c := conditionOf(th.vmi, kind)
		if c == nil || c.Status != corev1.ConditionTrue || c.LastProbeTime.IsZero() || c.LastTransitionTime.IsZero() {
			t.Errorf("condition %s: %+v, want True with both times", kind, c)
		}
	}
	if th.vmi.Status.SelinuxContext != "none" || len(th.vmi.Status.PhaseTransitionTimestamps) != 1 {
		t.Errorf("status %+v", th.vmi.Status)
	}
	pod := th.pods[0]
	if !strings.Contains(pod.Status.ContainerStatuses[0].ImageID, "@sha256:") {
		t.Errorf("image id %q has no digest", pod.Status.ContainerStatuses[0].ImageID)
	}
	if hasPodCondition(&pod.Status, corev1.PodReady, corev1.ConditionTrue) {
		t.Error("ready although its gate is shut")
	}
	pod = pod.DeepCopy()
	setPodCondition(&pod.Status, "gate", true, metav1Now())
	th.pods[0] = pod
	th.settle()
	if !hasPodCondition(&th.pods[0].Status, corev1.PodReady, corev1.ConditionTrue) {
		t.Error("not ready although its gate is open")
	}
}

func TestNoBoot(t *testing.T) {
	tests := map[string]struct {
		vmi      *virtv1.VirtualMachineInstance
		pod      *corev1.Pod
		host     simhost.HostState
		attached string
		detached bool
		want     virtv1.VirtualMachineInstancePhase
	}{
		"virt-handler is dead": {host: makeHost("a").NoHandler().Obj(), want: virtv1.Scheduled},
		"host is cut off":      {host: makeHost("a").CutOff().Obj(), want: virtv1.Scheduled},
		"host is off":          {host: makeHost("a").Off(epoch).Obj(), want: virtv1.Scheduled},
		"pod is on its way out": {
			pod: makePod("a").Running(epoch).Deleting().Obj(), host: makeHost("a").NoKubelet().Obj(), want: virtv1.Scheduled,
		},
		"pod has failed": {pod: makePod("a").Phase(corev1.PodFailed).Obj(), want: virtv1.Failed},
		"pod runs since before the reboot": {
			pod: makePod("a").Running(epoch.Add(-time.Minute)).Obj(), attached: "a-2",
			host: makeHost("a").Booted("a-2", epoch).NoKubelet().Obj(), want: virtv1.Scheduled,
		},
		"kubelet has not looked after the reboot": {
			pod:  makePod("a").Running(epoch).Obj(),
			host: makeHost("a").Booted("a-2", epoch).Obj(), want: virtv1.Scheduled,
		},
		"volume is not attached":       {pod: makePod("a").Running(epoch).Obj(), detached: true, want: virtv1.Scheduled},
		"VMI is being deleted":         {vmi: makeVMI().Phase(virtv1.Scheduled).Node("a").Deleting().Obj(), want: virtv1.Scheduled},
		"virt-controller is not ready": {vmi: makeVMI().Phase(virtv1.Scheduling).Obj(), want: virtv1.Scheduling},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vmi, pod, host := tc.vmi, tc.pod, tc.host
			if vmi == nil {
				vmi = makeVMI().Phase(virtv1.Scheduled).Node("a").Obj()
			}
			if pod == nil {
				pod = makePod("a").Obj()
			}
			if host.Name == "" {
				host = makeHost("a").Obj()
			}
			th := newTheatre(t, vmi, pod)
			if tc.attached != "" {
				th.attached["a"] = tc.attached
			}
			th.detached["pod-a"] = tc.detached
			th.set(host)
			th.pass(2 * time.Second)
			if got := len(th.world.Events(0)); got != 0 {
				t.Errorf("ledger has %d entries, want none", got)
			}
			if th.vmi.Status.Phase != tc.want {
				t.Errorf("phase %s, want %s", th.vmi.Status.Phase, tc.want)
			}
		})
	}
}

func TestEndOfAGuest(t *testing.T) {
	tests := map[string]struct {
		do       func(*theatre)
		wantWhy  string // "" for a guest that lives on
		want     virtv1.VirtualMachineInstancePhase
		wantPod  corev1.PodPhase
		holdsFor time.Duration
	}{
		"VMI deleted": {
			do:      func(th *theatre) { th.vmi = deleting(th.vmi) },
			wantWhy: "ShutDown", want: virtv1.Succeeded, wantPod: corev1.PodSucceeded,
		},
		"pod deleted in good order": {
			do:      func(th *theatre) { th.pods[0] = deletingPod(th.pods[0]) },
			wantWhy: "ShutDown", want: virtv1.Succeeded, wantPod: "gone",
		},
		"pod deleted while the handler is dead": {
			do: func(th *theatre) {
				th.set(makeHost("a").NoHandler().Obj())
				th.pods[0] = deletingPod(th.pods[0])
			},
			wantWhy: "ShutDown", want: virtv1.Running, wantPod: "gone",
		},
		"pod deleted on a dead machine": {
			do: func(th *theatre) {
				th.set(makeHost("a").Off(th.now).Obj())
				th.pods[0] = deletingPod(th.pods[0])
			},
			wantWhy: "PowerOff", want: virtv1.Running, wantPod: corev1.PodRunning,
		},
		"pod deleted while the machine is cut off": {
			do: func(th *theatre) {
				th.set(makeHost("a").CutOff().Obj())
				th.pods[0] = deletingPod(th.pods[0])
			},
			want: virtv1.Running, wantPod: corev1.PodRunning,
		},
		"machine boots again": {
			do: func(th *theatre) {
				th.pass(2 * time.Second)
				th.set(makeHost("a").Booted("a-2", th.now).Obj())
				th.attached["a"] = "a-2"
			},
			wantWhy: "PowerOff", want: virtv1.Failed, wantPod: corev1.PodFailed,
		},
		"machine boots again within a second": {
			do: func(th *theatre) {
				th.set(makeHost("a").Booted("a-2", th.now).Obj())
				th.attached["a"] = "a-2"
			},
			wantWhy: "PowerOff", want: virtv1.Failed, wantPod: corev1.PodFailed,
		},
		"machine is cut off": {
			do:   func(th *theatre) { th.set(makeHost("a").CutOff().Obj()) },
			want: virtv1.Running, wantPod: corev1.PodRunning,
		},
		"VMI was given up while the machine was cut off": {
			do: func(th *theatre) {
				th.set(makeHost("a").CutOff().Obj())
				th.vmi = makeVMI().Phase(virtv1.Failed).Node("a").Obj()
				th.pass(time.Second)
				if th.guestOn() != "a" {
					th.t.Error("a guest ended that nobody could reach")
				}
				th.set(makeHost("a").Obj())
			},
			wantWhy: "ShutDown", want: virtv1.Failed, wantPod: corev1.PodSucceeded,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			th := newTheatre(t, makeVMI().Phase(virtv1.Scheduled).Node("a").Obj(), makePod("a").Obj())
			th.settle()
			tc.do(th)
			th.pass(time.Second)
			want := []string{"PodStarted"}
			if tc.wantWhy != "" {
				want = append(want, tc.wantWhy)
			}
			if diff := cmp.Diff(want, th.whys()); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
			if th.vmi.Status.Phase != tc.want {
				t.Errorf("phase %s, want %s", th.vmi.Status.Phase, tc.want)
			}
			if got := th.podPhase("a"); got != tc.wantPod {
				t.Errorf("pod %s, want %s", got, tc.wantPod)
			}
		})
	}
}

func TestStray(t *testing.T) {
	g := guests.Guest{VMIUID: "old", PodUID: "pod", Node: "a"}
	if got := Stray(g, makeHost("a").CutOff().Obj()); got.Do != Nothing {
		t.Errorf("a handler that is cut off does %s", got.Do)
	}
	if got := Stray(g, makeHost("a").Obj()); got.Do != StopGuest || got.Guest != g {
		t.Errorf("step %+v, want the guest stopped", got)
	}
}

func TestLiveMigratable(t *testing.T) {
	pod := *virtv1.DefaultPodNetwork()
	iface := func(b virtv1.InterfaceBindingMethod) virtv1.Interface {
		return virtv1.Interface{Name: pod.Name, InterfaceBindingMethod: b}
	}
	bridge := iface(virtv1.InterfaceBindingMethod{Bridge: &virtv1.InterfaceBridge{}})
	allowed := makeVMI().Interface(pod, bridge)
	allowed.o.Annotations = map[string]string{virtv1.AllowPodBridgeNetworkLiveMigrationAnnotation: ""}
	gpu := makeVMI()
	gpu.o.Spec.Domain.Devices.GPUs = []virtv1.GPU{{Name: "gpu"}}
	tests := map[string]struct {
		vmi    *virtv1.VirtualMachineInstance
		reason string // empty: migratable
		method virtv1.VirtualMachineInstanceMigrationMethod
	}{
		"no interfaces, no disks": {vmi: makeVMI().Obj(), method: virtv1.LiveMigration},
		"masquerade": {
			vmi:    makeVMI().Interface(pod, iface(virtv1.InterfaceBindingMethod{Masquerade: &virtv1.InterfaceMasquerade{}})).Obj(),
			method: virtv1.LiveMigration,
		},
		"bridge on the pod network": {
			vmi: makeVMI().Interface(pod, bridge).Obj(), method: virtv1.LiveMigration,
			reason: virtv1.VirtualMachineInstanceReasonInterfaceNotMigratable,
		},
		"bridge that is allowed to": {vmi: allowed.Obj(), method: virtv1.LiveMigration},
		"shared disk":               {vmi: makeVMI().Claim("d", corev1.ReadWriteMany).Obj(), method: virtv1.LiveMigration},
		"ReadWriteOnce disk": {
			vmi: makeVMI().Claim("d", corev1.ReadWriteOnce).Obj(), method: virtv1.BlockMigration,
			reason: virtv1.VirtualMachineInstanceReasonDisksNotMigratable,
		},
		"GPU": {vmi: gpu.Obj(), method: virtv1.LiveMigration, reason: virtv1.VirtualMachineInstanceReasonHostDeviceNotMigratable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			report(tc.vmi, makePod("a").Obj(), epoch)
			c := conditionOf(tc.vmi, virtv1.VirtualMachineInstanceIsMigratable)
			want := corev1.ConditionTrue
			if tc.reason != "" {
				want = corev1.ConditionFalse
			}
			if c.Status != want || c.Reason != tc.reason {
				t.Errorf("condition %+v, want %s with reason %q", c, want, tc.reason)
			}
			if tc.vmi.Status.MigrationMethod != tc.method {
				t.Errorf("method %s, want %s", tc.vmi.Status.MigrationMethod, tc.method)
			}
			again := tc.vmi.DeepCopy()
			report(again, makePod("a").Obj(), epoch.Add(time.Hour))
			if diff := cmp.Diff(tc.vmi, again); diff != "" {
				t.Errorf("a second report changes something (-first +second):\n%s", diff)
			}
		})
	}
}

func TestCurrentPodIsTheNewestOnTheNode(t *testing.T) {
	older, newer, elsewhere := makePod("a").Obj(), makePod("a").Obj(), makePod("b").Obj()
	newer.UID = types.UID("newer")
	newer.CreationTimestamp.Time = epoch.Add(time.Minute)
	elsewhere.CreationTimestamp.Time = epoch.Add(time.Hour)
	pods := []*corev1.Pod{older, newer, elsewhere}
	for range 2 {
		if got := currentPod(View{Pods: pods}, "a"); got != newer {
			t.Errorf("current pod is %s of %s", got.UID, got.Spec.NodeName)
		}
		slices.Reverse(pods)
	}
}

func deleting(vmi *virtv1.VirtualMachineInstance) *virtv1.VirtualMachineInstance {
	out := vmi.DeepCopy()
	now := metav1Now()
	out.DeletionTimestamp = &now
	return out
}

func deletingPod(pod *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	now := metav1Now()
	out.DeletionTimestamp = &now
	return out
}
