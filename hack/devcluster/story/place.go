// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
)

// creators is how many VMs are created at once.
const creators = 8

// create makes the namespace, the volume claims and the VirtualMachines.
func (t *telling) create(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := t.world.client.Create(ctx, ns); err != nil {
		return fmt.Errorf("create namespace %s: %w", namespace, err)
	}
	return each(t.vms, creators, func(vm plot.VM) error {
		if claim := vm.Claim(namespace, t.storageClass); claim != nil {
			if err := t.world.client.Create(ctx, claim); err != nil {
				return fmt.Errorf("create PersistentVolumeClaim %s: %w", vm.Name, err)
			}
		}
		if err := t.world.client.Create(ctx, vm.Object(namespace)); err != nil {
			return fmt.Errorf("create VirtualMachine %s: %w", vm.Name, err)
		}
		if vm.RunStrategy == kubevirtv1.RunStrategyManual {
			return t.start(ctx, vm.Name)
		}
		return nil
	})
}

// start starts a Manual VM. KubeVirt answers with a conflict while it is still busy with the new object.
func (t *telling) start(ctx context.Context, name string) error {
	return t.await(ctx, goal{
		what: "KubeVirt to take the request to start VM " + name, within: 20 * time.Second, every: 200 * time.Millisecond,
		blame: []string{build.VirtAPI},
		reached: func(ctx context.Context) (bool, string, error) {
			err := t.world.start(ctx, name)
			if apierrors.IsConflict(err) {
				return false, err.Error(), nil
			}
			return err == nil, "", err
		},
	})
}

// running waits until every VM that is to run does.
func (t *telling) running(ctx context.Context) error {
	want := len(slices.DeleteFunc(slices.Clone(t.vms), func(vm plot.VM) bool { return !vm.Runs() }))
	told := 0
	err := t.await(ctx, goal{
		what:   fmt.Sprintf("%d VMs to run", want),
		within: 2*time.Minute + time.Duration(want)*time.Second,
		// A look at many is work for the machine that is to start them.
		every: max(look, time.Duration(want)*5*time.Millisecond),
		blame: []string{build.VirtScheduler, build.VirtController, build.SimVirtHandler},
		reached: func(ctx context.Context) (bool, string, error) {
			phases, err := t.world.phases(ctx)
			if err != nil {
				return false, "", err
			}
			missing := notRunning(t.vms, phases)
			if n := want - len(missing); n >= told+max(want/5, 1) || (n == want && told < want) {
				told = n
				t.voice.Logf("%d of %d VMs run", n, want)
			}
			return len(missing) == 0, some(missing), nil
		},
	})
	if err != nil {
		return err
	}
	t.before, err = t.world.view(ctx)
	return err
}

// some shortens a long list.
func some(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// notRunning names the VMs that should run and don't, with the phases of their VMIs.
func notRunning(vms []plot.VM, phases map[string]kubevirtv1.VirtualMachineInstancePhase) []string {
	var missing []string
	for _, vm := range vms {
		if phase := phases[vm.Name]; vm.Runs() && phase != kubevirtv1.Running {
			missing = append(missing, fmt.Sprintf("%s (VMI %q)", vm.Name, phase))
		}
	}
	return missing
}

// each calls do for all items, n at a time, and returns every error.
func each[T any](items []T, n int, do func(T) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(items))
	slots := make(chan struct{}, n)
	for i, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(item)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
