// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/profile"
	"k8s.io/utils/ptr"
)

// LoadConfig reads a KubeSchedulerConfiguration as the scheduler's command does: strictly, with all defaults, and
// validated. Arguments of our plugins are known where pkg/plugins is linked in.
func LoadConfig(yaml []byte) (*schedulerconfig.KubeSchedulerConfiguration, error) {
	o, gvk, err := scheme.Codecs.UniversalDecoder().Decode(bytes.Clone(yaml), nil, nil)
	if err != nil {
		return nil, fmt.Errorf("reading a scheduler configuration: %w", err)
	}
	config, ok := o.(*schedulerconfig.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("reading a scheduler configuration: it is a %s", gvk)
	}
	config.APIVersion = gvk.GroupVersion().String()
	if err := validation.ValidateKubeSchedulerConfiguration(config); err != nil {
		return nil, fmt.Errorf("a scheduler configuration is not valid: %w", err)
	}
	return config, nil
}

// StockProfile returns kube-scheduler's default profile, under a name.
func StockProfile(schedulerName string) (schedulerconfig.KubeSchedulerProfile, error) {
	config, err := LoadConfig([]byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n" +
		"profiles: [{schedulerName: " + schedulerName + "}]\n"))
	if err != nil {
		return schedulerconfig.KubeSchedulerProfile{}, err
	}
	return config.Profiles[0], nil
}

// Config says what scheduler Start starts.
type Config struct {
	Profiles []schedulerconfig.KubeSchedulerProfile // as LoadConfig or StockProfile return them
	Registry frameworkruntime.Registry              // plugins beside kube-scheduler's own: plugins.NewRegistry()
	// Parallelism is how many nodes are looked at at a time; 0: kube-scheduler's default, 16. With 1 the order is always the same.
	Parallelism int32
	// PercentageOfNodesToScore; 0: kube-scheduler's default, which depends on the number of nodes. A profile may have its own.
	PercentageOfNodesToScore int32
	Options                  []scheduler.Option // whatever else
	// Wrap, if set, replaces the framework of a profile by one around it, which for example takes times.
	Wrap func(framework.Framework) framework.Framework
}

// Scheduler is a real scheduler, which schedules when it is told to.
type Scheduler struct {
	*scheduler.Scheduler
	api *API

	mu       sync.Mutex
	outcomes map[types.UID]Outcome
}

// Outcome is what the scheduler made of a pod.
type Outcome struct {
	Pod       *corev1.Pod
	Node      string // where the pod was bound; "" when it was not
	Evaluated int    // nodes that were looked at, when the pod was bound
	Feasible  int    // nodes among them that would have done
	// Status says why the pod was not bound. Its code is Error when something broke.
	Status    *fwk.Status
	Diagnosis *framework.Diagnosis // per node, when Status says that no node would do
	Nominated string               // where preemption makes room for the pod
}

// Bound says whether the pod was bound.
func (o Outcome) Bound() bool { return o.Node != "" }

// Start starts a scheduler and returns when it knows all that the API holds. It ends with ctx.
func (a *API) Start(ctx context.Context, config Config) (*Scheduler, error) {
	informers := scheduler.NewInformerFactory(a.client, 0)
	options := append([]scheduler.Option{
		scheduler.WithProfiles(config.Profiles...),
		scheduler.WithFrameworkOutOfTreeRegistry(config.Registry),
		scheduler.WithKubeConfig(a.RESTConfig()),
		scheduler.WithComponentConfigVersion("kubescheduler.config.k8s.io/v1"),
	}, config.Options...)
	if config.Parallelism != 0 {
		options = append(options, scheduler.WithParallelism(config.Parallelism))
	}
	if config.PercentageOfNodesToScore != 0 {
		options = append(options, scheduler.WithPercentageOfNodesToScore(ptr.To(config.PercentageOfNodesToScore)))
	}
	real, err := scheduler.New(ctx, a.client, informers, nil, noEvents, options...)
	if err != nil {
		return nil, fmt.Errorf("making a scheduler: %w", err)
	}
	s := &Scheduler{Scheduler: real, api: a, outcomes: map[types.UID]Outcome{}}
	s.listen()
	if config.Wrap != nil {
		for name, f := range real.Profiles {
			real.Profiles[name] = config.Wrap(f)
		}
	}
	informers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	if err := real.WaitForHandlersSync(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the scheduler's caches: %w", err)
	}
	logger := klog.FromContext(ctx)
	real.SchedulingQueue.Run(logger)
	if real.APIDispatcher != nil {
		real.APIDispatcher.Run(logger)
	}
	context.AfterFunc(ctx, func() {
		if real.APIDispatcher != nil {
			real.APIDispatcher.Close()
		}
		real.SchedulingQueue.Close()
		if err := real.Profiles.Close(); err != nil {
			logger.Error(err, "Closing plugins")
		}
		informers.Shutdown()
	})
	return s, s.Settle(ctx)
}

// listen makes the scheduler tell what comes out of its cycles.
func (s *Scheduler) listen() {
	schedulePod := s.SchedulePod
	s.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState, pod *corev1.Pod) (scheduler.ScheduleResult, error) {
		result, err := schedulePod(ctx, f, state, pod)
		if err == nil {
			s.note(Outcome{Pod: pod, Node: result.SuggestedHost, Evaluated: result.EvaluatedNodes, Feasible: result.FeasibleNodes})
		}
		return result, err
	}
	fail := s.FailureHandler
	s.FailureHandler = func(ctx context.Context, f framework.Framework, info *framework.QueuedPodInfo, status *fwk.Status, nominating *fwk.NominatingInfo, start time.Time) {
		outcome := Outcome{Pod: info.Pod, Status: status}
		var fit *framework.FitError
		if errors.As(status.AsError(), &fit) {
			outcome.Diagnosis = &fit.Diagnosis
		}
		if nominating != nil {
			outcome.Nominated = nominating.NominatedNodeName
		}
		fail(ctx, f, info, status, nominating, start)
		s.note(outcome)
	}
}

func (s *Scheduler) note(outcome Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[outcome.Pod.UID] = outcome
}

// Settle waits until the scheduler, and every other informer of the API, knows all that has happened.
func (s *Scheduler) Settle(ctx context.Context) error { return s.api.Settle(ctx) }

// Schedule creates a pod, lets the scheduler decide about it, and returns when the pod is bound and everybody has heard of it, or
// when it has been found unschedulable; it then stays in the scheduler's queue, until it is deleted. Pods that were
// waiting and that came before it in the queue are decided about first.
func (s *Scheduler) Schedule(ctx context.Context, pod *corev1.Pod) (Outcome, error) {
	s.api.SetPod(pod)
	if err := s.Settle(ctx); err != nil {
		return Outcome{}, err
	}
	for {
		if !slices.ContainsFunc(s.SchedulingQueue.PodsInActiveQ(), func(p *corev1.Pod) bool { return p.UID == pod.UID }) {
			return Outcome{}, fmt.Errorf("pod %s is not in the scheduler's active queue: its schedulerName is %q, gates hold it back, or it is bound",
				klog.KObj(pod), pod.Spec.SchedulerName)
		}
		outcome, _, err := s.Next(ctx)
		if err != nil || outcome.Pod.UID == pod.UID {
			return outcome, err
		}
	}
}

// Next lets the scheduler decide about the next pod of its queue; ok is false when none is ready. Like Schedule it returns when
// everybody has heard of the outcome.
func (s *Scheduler) Next(ctx context.Context) (outcome Outcome, ok bool, err error) {
	if err := s.Settle(ctx); err != nil {
		return Outcome{}, false, err
	}
	if len(s.SchedulingQueue.PodsInActiveQ()) == 0 {
		return Outcome{}, false, nil
	}
	s.ScheduleOne(ctx)
	if err := s.Settle(ctx); err != nil {
		return Outcome{}, false, err
	}
	return s.decided()
}

// Outcomes returns the outcomes of all cycles since it was called last, or since Next or Schedule. It is for those who call ScheduleOne
// themselves, for many pods in a row.
func (s *Scheduler) Outcomes() []Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer clear(s.outcomes)
	return slices.Collect(maps.Values(s.outcomes))
}

// decided returns the one outcome that there is.
func (s *Scheduler) decided() (Outcome, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer clear(s.outcomes)
	if len(s.outcomes) != 1 {
		return Outcome{}, false, fmt.Errorf("one cycle of the scheduler had %d outcomes: was the pod deleted?", len(s.outcomes))
	}
	for _, outcome := range s.outcomes {
		if !outcome.Bound() {
			return outcome, true, nil
		}
		if pod, ok := s.api.Pod(outcome.Pod.Namespace, outcome.Pod.Name); !ok || pod.Spec.NodeName != outcome.Node {
			return outcome, true, fmt.Errorf("pod %s was to be bound to node %s, and was not", klog.KObj(outcome.Pod), outcome.Node)
		}
		return outcome, true, nil
	}
	panic("unreachable")
}

// noEvents records no events: what they say is in Outcome.
var noEvents profile.RecorderFactory = func(string) events.EventRecorder { return discard{} }

type discard struct{}

func (discard) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
