// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package play

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	virtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

func TestNextPod(t *testing.T) {
	ended := func(ago time.Duration, why string) *guests.Exit {
		return &guests.Exit{At: epoch.Add(-ago), Why: why}
	}
	running := makeVMI().Phase(virtv1.Running).Node("a").Obj()
	tests := map[string]struct {
		view PodView
		want Step
	}{
		"starts": {
			view: PodView{Pod: makePod("a").Obj(), VolumesReady: true}, want: Step{Do: PatchPod},
		},
		"waits for its volumes": {view: PodView{Pod: makePod("a").Obj()}, want: Step{After: time.Second}},
		"does not start before the boot is dealt with": {
			view: PodView{Pod: makePod("a").Obj(), VolumesReady: true, Machine: makeHost("a").Booted("a-2", epoch).Obj()},
		},
		"is not bound yet": {view: PodView{Pod: makePod("").Obj(), VolumesReady: true}},
		"runs":             {view: PodView{Pod: makePod("a").Running(epoch).Obj(), VMI: running}},
		"has ended":        {view: PodView{Pod: makePod("a").Phase(corev1.PodSucceeded).Obj(), VMI: running}},
		"is deleted with its guest running": {
			view: PodView{Pod: makePod("a").Running(epoch).Deleting().Obj(), VMI: running, Guest: &guests.Guest{}},
			want: Step{Do: StopGuest},
		},
		"is deleted, virt-handler has yet to report": {
			view: PodView{
				Pod: makePod("a").Running(epoch).Deleting().Obj(), VMI: running, Exit: ended(time.Second, simhost.WhyShutDown),
			},
			want: Step{After: 2 * time.Second},
		},
		"is deleted, virt-handler never reported": {
			view: PodView{
				Pod: makePod("a").Running(epoch).Deleting().Obj(), VMI: running, Exit: ended(3*time.Second, simhost.WhyShutDown),
			},
			want: Step{Do: DeletePod},
		},
		"is deleted, virt-handler has reported": {
			view: PodView{
				Pod: makePod("a").Running(epoch).Deleting().Obj(), Exit: ended(0, simhost.WhyShutDown),
				VMI: makeVMI().Phase(virtv1.Succeeded).Node("a").Obj(),
			},
			want: Step{Do: DeletePod},
		},
		"is deleted, virt-handler is dead": {
			view: PodView{
				Pod: makePod("a").Running(epoch).Deleting().Obj(), VMI: running, Exit: ended(0, simhost.WhyShutDown),
				Machine: makeHost("a").NoHandler().Obj(),
			},
			want: Step{Do: DeletePod},
		},
		"is deleted after its guest migrated away": {
			view: PodView{
				Pod: makePod("a").Running(epoch).Deleting().Obj(), Exit: ended(0, simhost.WhyMigratedOut),
				VMI: makeVMI().Phase(virtv1.Running).Node("b").Obj(),
			},
			want: Step{Do: DeletePod},
		},
		"is deleted before it started":    {view: PodView{Pod: makePod("a").Deleting().Obj(), VMI: running}, want: Step{Do: DeletePod}},
		"is deleted, and its VMI with it": {view: PodView{Pod: makePod("a").Deleting().Obj()}, want: Step{Do: DeletePod}},
		"its guest migrated away":         {view: PodView{Pod: makePod("a").Running(epoch).Obj(), VMI: running, Exit: ended(0, simhost.WhyMigratedOut)}, want: Step{Do: PatchPod}},
		"its VMI is over, its handler is dead": {
			view: PodView{
				Pod: makePod("a").Running(epoch).Obj(), VMI: makeVMI().Phase(virtv1.Failed).Node("a").Obj(),
				Machine: makeHost("a").NoHandler().Obj(),
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := tc.view
			v.Now, v.Timing = epoch, DefaultTiming()
			if v.Machine.Name == "" {
				v.Machine = makeHost("a").Obj()
			}
			v.Attached = v.Machine.BootID == "a-1"
			got := NextPod(v)
			if got.Do != tc.want.Do || got.After != tc.want.After {
				t.Errorf("step %q after %s, want %q after %s", got.Do, got.After, tc.want.Do, tc.want.After)
			}
		})
	}
}

func TestEarlierBoot(t *testing.T) {
	tests := map[string]struct {
		started time.Time
		machine simhost.HostState
		want    bool
	}{
		"started before the boot":      {started: epoch.Add(-time.Minute), machine: makeHost("a").Booted("a-2", epoch).Obj(), want: true},
		"started after the boot":       {started: epoch.Add(time.Minute), machine: makeHost("a").Booted("a-2", epoch).Obj()},
		"started in the boot's second": {started: epoch, machine: makeHost("a").Booted("a-2", epoch.Add(900*time.Millisecond)).Obj()},
		"the machine is off, whenever": {started: epoch.Add(-time.Minute), machine: makeHost("a").Off(epoch).Obj()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := EarlierBoot(makePod("a").Running(tc.started).Obj(), tc.machine); got != tc.want {
				t.Errorf("EarlierBoot = %v, want %v", got, tc.want)
			}
		})
	}
	if EarlierBoot(makePod("a").Obj(), makeHost("a").Booted("a-2", epoch).Obj()) {
		t.Error("a pod that never started is of an earlier boot")
	}
}
