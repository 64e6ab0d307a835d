// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/ledger"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Case is everything that the verdict rests on.
type Case struct {
	Namespace string
	VMs       []VM
	// Dead is the node that lost its power, and Cut when.
	Dead string
	Cut  time.Time
	// Before and After are what the API showed before the cut and at the end.
	Before, After View
	// Guests is the ledger of simulated guests.
	Guests []simhost.GuestEvent
	// Record is the failure-watcher's of this failure; nil when there is none.
	Record *failurev1alpha1.NodeFailure
	// Others are the names of all other NodeFailures since the cut: one failure is one incident.
	Others []string
}

// Outcome is what became of one VM.
type Outcome struct {
	Name             string                               `json:"name"`
	RunStrategy      kubevirtv1.VirtualMachineRunStrategy `json:"runStrategy"`
	EvictionStrategy kubevirtv1.EvictionStrategy          `json:"evictionStrategy,omitempty"`
	Disk             bool                                 `json:"disk,omitempty"`
	Due              Due                                  `json:"due"`
	Happened         string                               `json:"happened"`
	NewNode          string                               `json:"newNode,omitempty"`
	// AwaySeconds is from the end of the old guest to the start of the new one, by the ledger.
	AwaySeconds *float64 `json:"awaySeconds,omitempty"`
	Problems    []string `json:"problems,omitempty"`
}

// OK says whether what was due happened.
func (o Outcome) OK() bool { return len(o.Problems) == 0 }

// Outcomes judges every VM, in the order of c.VMs.
func (c Case) Outcomes() []Outcome {
	lives := map[string][]ledger.Guest{}
	guests, _ := ledger.Guests(c.Guests)
	for _, g := range guests {
		if g.VM.Namespace == c.Namespace {
			lives[g.VM.Name] = append(lives[g.VM.Name], g)
		}
	}
	outcomes := make([]Outcome, 0, len(c.VMs))
	for _, vm := range c.VMs {
		outcomes = append(outcomes, c.outcome(vm, lives[vm.Name]))
	}
	return outcomes
}

func (c Case) outcome(vm VM, lives []ledger.Guest) Outcome {
	before, after := c.Before.VMs[vm.Name], c.After.VMs[vm.Name]
	o := Outcome{
		Name: vm.Name, RunStrategy: vm.RunStrategy, EvictionStrategy: vm.EvictionStrategy, Disk: vm.Disk,
		Due: DueOf(vm.RunStrategy, before, c.Dead), Happened: happened(before, after),
	}
	j := judge{Case: c, before: before, after: after, lives: lives}
	switch o.Due {
	case Restarted:
		j.restarted()
		if after.VMIUID != before.VMIUID {
			o.NewNode, o.AwaySeconds = after.Node, c.away(lives)
		}
	case LeftFailed:
		j.leftFailed()
	case LeftOff:
		j.leftOff()
	case Undisturbed:
		j.undisturbed()
	}
	for _, pod := range after.Pods {
		j.want(pod.SchedulerName == SchedulerName, "pod %s has schedulerName %q", pod.Name, pod.SchedulerName)
	}
	j.want(after.RunStrategy == vm.RunStrategy, "its runStrategy is now %q", after.RunStrategy)
	j.recorded(o.Due, vm.Name)
	o.Problems = j.problems
	return o
}

func happened(before, after Sight) string {
	switch {
	case after.VMIUID == "" && before.VMIUID == "":
		return "stayed off"
	case after.VMIUID == "":
		return "VMI is gone"
	case after.VMIUID != before.VMIUID && before.VMIUID == "":
		return fmt.Sprintf("was started (%s)", after.Phase)
	case after.VMIUID != before.VMIUID:
		return fmt.Sprintf("new VMI, %s", after.Phase)
	case after.Node != before.Node:
		return fmt.Sprintf("same VMI moved to %s, %s", after.Node, after.Phase)
	default:
		return fmt.Sprintf("same VMI, %s", after.Phase)
	}
}

// away is the time without a guest around the cut.
func (c Case) away(lives []ledger.Guest) *float64 {
	var ended, started time.Time
	for _, g := range lives {
		if g.Node == c.Dead && !g.Live() && !g.Until.Before(c.Cut) && ended.IsZero() {
			ended = g.Until
		}
		if !g.From.Before(c.Cut) && started.IsZero() {
			started = g.From
		}
	}
	if ended.IsZero() || started.IsZero() {
		return nil
	}
	away := started.Sub(ended).Seconds()
	return &away
}

// Problems returns everything that is wrong, one line each; none is the only good end.
func (c Case) Problems(outcomes []Outcome) []string {
	var problems []string
	for _, o := range outcomes {
		for _, p := range o.Problems {
			problems = append(problems, fmt.Sprintf("VM %s (%s, due: %s): %s", o.Name, o.RunStrategy, o.Due, p))
		}
	}
	for _, v := range ledger.Check(c.Guests) {
		problems = append(problems, "ledger of guests: "+v.String())
	}
	problems = append(problems, c.strangers()...)
	problems = append(problems, c.recordProblems()...)
	return append(problems, c.nodeProblems()...)
}

// strangers reports running guests that nobody asked for.
func (c Case) strangers() []string {
	asked := map[string]bool{}
	for _, vm := range c.VMs {
		asked[vm.Name] = true
	}
	var found []string
	for vm := range ledger.Live(c.Guests) {
		if vm.Namespace == c.Namespace && !asked[vm.Name] {
			found = append(found, fmt.Sprintf("a guest of %s runs, which the story did not create", vm))
		}
	}
	slices.Sort(found)
	return found
}

func (c Case) recordProblems() []string {
	var problems []string
	for _, other := range c.Others {
		problems = append(problems, "the failure-watcher made another NodeFailure: "+other)
	}
	if c.Record == nil {
		return append(problems, "the failure-watcher made no NodeFailure of "+c.Dead)
	}
	status := &c.Record.Status
	if status.Fence == nil || status.Fence.Proof == nil {
		problems = append(problems, "NodeFailure "+c.Record.Name+" has no proof")
	}
	if status.Phase != failurev1alpha1.PhaseClosed {
		problems = append(problems, fmt.Sprintf("NodeFailure %s is %s (%s), not Closed: %s",
			c.Record.Name, status.Phase, status.Reason, status.Message))
	}
	for _, r := range status.VMs {
		if before, ok := c.Before.VMs[r.Name]; !ok || r.Namespace != c.Namespace || before.Node != c.Dead {
			problems = append(problems, fmt.Sprintf("NodeFailure %s records %s/%s, which did not run on %s",
				c.Record.Name, r.Namespace, r.Name, c.Dead))
		}
	}
	return problems
}

// nodeProblems wants every node as it was, but for the new boot of the dead one.
func (c Case) nodeProblems() []string {
	var problems []string
	for name, before := range c.Before.Nodes {
		after := c.After.Nodes[name]
		if !after.Ready {
			problems = append(problems, "node "+name+" is not Ready")
		}
		for _, taint := range after.Taints {
			problems = append(problems, fmt.Sprintf("node %s has taint %s", name, taint.ToString()))
		}
		if rebooted := after.BootID != before.BootID; rebooted != (name == c.Dead) {
			problems = append(problems, fmt.Sprintf("node %s: boot ID was %q, is %q", name, before.BootID, after.BootID))
		}
	}
	slices.SortFunc(problems, cmp.Compare[string])
	return problems
}
