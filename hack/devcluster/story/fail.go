// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"fmt"
	"time"

	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/story/plot"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

const (
	// rescueWithin bounds the rescue: 50 s until the node is NotReady, then the volumes move.
	rescueWithin = 150 * time.Second
	// returnWithin bounds the return, beyond the watcher's healthyDelay.
	returnWithin = 60 * time.Second
	// look is the time between two looks while something happens.
	look = 300 * time.Millisecond
)

// blamed are the processes that have a part in a rescue.
var blamed = []string{build.FailureWatcher, build.VirtScheduler, build.VirtController, build.SimVirtHandler}

// cutPower takes the power of the chosen node: lease, virt-handler and BMC power go at once.
func (t *telling) cutPower(ctx context.Context) error {
	view, err := t.world.view(ctx)
	if err != nil {
		return err
	}
	phases := map[string]kubevirtv1.VirtualMachineInstancePhase{}
	for name, sight := range view.VMs {
		phases[name] = sight.Phase
	}
	if missing := notRunning(t.vms, phases); len(missing) > 0 {
		return fmt.Errorf("VMs stopped before anything failed: %s", some(missing))
	}
	t.before = view
	state, err := t.cluster.Sim().SetPower(ctx, t.dead, simhost.PowerOff)
	if err != nil {
		return fmt.Errorf("cut the power of %s: %w", t.dead, err)
	}
	t.cut = state.PowerChangedAt
	t.report.Failure = plot.Failure{Node: t.dead, PowerCutAt: t.cut, Steps: []plot.Step{}}
	t.news = plot.NewTeller(view.Nodes[t.dead], t.cut)
	t.voice.printf("  +  0.0 s  %s has no power: no lease, no virt-handler, no guests; its BMC says Off", t.dead)
	return nil
}

// tellNews reads what is known of the failure and tells what is new.
func (t *telling) tellNews(ctx context.Context) (plot.NodeSight, error) {
	records, err := t.world.records(ctx, t.cut)
	if err != nil {
		return plot.NodeSight{}, err
	}
	events, err := t.world.events(ctx)
	if err != nil {
		return plot.NodeSight{}, err
	}
	node, err := t.world.node(ctx, t.dead)
	if err != nil {
		return plot.NodeSight{}, err
	}
	t.record, t.others = nil, nil
	for i := range records {
		if t.record == nil && records[i].Spec.NodeName == t.dead {
			t.record = &records[i]
			continue
		}
		t.others = append(t.others, fmt.Sprintf("%s of %s (%s: %s)", records[i].Name, records[i].Spec.NodeName,
			records[i].Status.Phase, records[i].Status.Message))
	}
	for _, step := range t.news.News(t.record, events, node, time.Now()) {
		t.report.Failure.Steps = append(t.report.Failure.Steps, step)
		t.voice.step(step)
	}
	return node, nil
}

// rescued waits until the watcher says that every VM is settled.
func (t *telling) rescued(ctx context.Context) error {
	return t.await(ctx, goal{
		what: fmt.Sprintf("the watcher to settle all VMs of %s", t.dead), within: rescueWithin, every: look, blame: blamed,
		reached: func(ctx context.Context) (bool, string, error) {
			if _, err := t.tellNews(ctx); err != nil {
				return false, "", err
			}
			if t.record == nil {
				return false, "no NodeFailure", nil
			}
			phase := t.record.Status.Phase
			return phase == failurev1alpha1.PhaseReturning || phase == failurev1alpha1.PhaseClosed, state(t.record), nil
		},
	})
}

// powerOn gives the node its power back and waits until it is taken in again.
func (t *telling) powerOn(ctx context.Context, healthyDelay time.Duration) error {
	if _, err := t.cluster.Sim().SetPower(ctx, t.dead, simhost.PowerOn); err != nil {
		return fmt.Errorf("power %s on: %w", t.dead, err)
	}
	t.voice.printf("  +%5.1f s  %s has power again and boots", time.Since(t.cut).Seconds(), t.dead)
	return t.await(ctx, goal{
		what: fmt.Sprintf("%s to be taken in again", t.dead), within: returnWithin + healthyDelay, every: look, blame: blamed,
		reached: func(ctx context.Context) (bool, string, error) {
			node, err := t.tellNews(ctx)
			if err != nil {
				return false, "", err
			}
			closed := t.record != nil && t.record.Status.Phase == failurev1alpha1.PhaseClosed
			seen := fmt.Sprintf("node Ready: %v, taints: %v; %s", node.Ready, node.Taints, state(t.record))
			return closed && node.Ready && len(node.Taints) == 0, seen, nil
		},
	})
}

func state(record *failurev1alpha1.NodeFailure) string {
	if record == nil {
		return "no NodeFailure"
	}
	s := &record.Status
	return fmt.Sprintf("NodeFailure %s is %s (%s): %s; %d of %d VMs settled",
		record.Name, s.Phase, s.Reason, s.Message, s.VMsSettled, s.VMCount)
}
