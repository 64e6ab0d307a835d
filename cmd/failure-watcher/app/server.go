// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/google/uuid"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	kubevirtv1 "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing/redfish"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/credentials"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/election"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/fencinghealth"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/incident"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/kubevirtapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/metrics"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

const (
	// A rescue of a full node makes a few hundred requests; API priority and fairness protects the API server.
	qps, burst = 200, 400
	// requestTimeout bounds one request outside of watches.
	requestTimeout = 10 * time.Second
	component      = "failure-watcher"
)

// Run is the command after its flags. It returns nil when ctx is done.
func Run(ctx context.Context, opts *Options) error {
	ctrl.SetLogger(klog.Background())
	cfg, err := opts.LoadConfig()
	if err != nil {
		return err
	}
	restConfig, err := opts.RESTConfig()
	if err != nil {
		return err
	}
	restConfig.QPS, restConfig.Burst = qps, burst
	rest.AddUserAgent(restConfig, component)
	state := &status{text: "starting"}
	if err := serveHealth(ctx, cfg.HealthBindAddress, state); err != nil {
		return err
	}
	plain, err := kubernetes.NewForConfig(withTimeout(restConfig))
	if err != nil {
		return fmt.Errorf("client of the API server at %s: %w", restConfig.Host, err)
	}
	w := &waiter{client: plain, server: restConfig.Host, clock: clock.RealClock{}, status: state}
	for _, step := range []func(context.Context) error{
		w.apiServer,
		func(ctx context.Context) error { return w.permissions(ctx, permissions(cfg)) },
		w.kinds,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // asked to end while waiting
			}
			return err
		}
	}
	mgr, err := assemble(ctx, cfg, restConfig, plain, state)
	if err != nil {
		return err
	}
	klog.FromContext(ctx).Info("Starting", "version", Version(), "server", restConfig.Host, "bmcs", len(cfg.Fencing.Redfish))
	return mgr.Start(ctx)
}

// withTimeout is for clients that never watch.
func withTimeout(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Timeout = requestTimeout
	return cfg
}

// assemble puts the parts together.
func assemble(
	ctx context.Context, cfg *failurev1alpha1.FailureWatcherConfiguration, restConfig *rest.Config, plain kubernetes.Interface, state *status,
) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	live, err := client.New(withTimeout(restConfig), client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("client of the API server at %s: %w", restConfig.Host, err)
	}
	ticks := clock.RealClock{}
	tracker, nodes, index := observe.NewTracker(ticks), observe.NewNodes(), incident.NewIndex()
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  observe.CacheOptions(func(error) { tracker.Restart() }),
		Metrics:                metricsOptions(cfg.MetricsBindAddress),
		HealthProbeBindAddress: "0", // serveHealth does that
	})
	if err != nil {
		return nil, fmt.Errorf("controller manager: %w", err)
	}
	waker := incident.NewWaker(index, nodes)
	if err := errors.Join(
		observe.Watch(ctx, mgr.GetCache(), nodes, tracker, waker.Changed),
		index.Watch(ctx, mgr.GetCache(), waker.Changed),
		metrics.Live{Incidents: index.Phases, Gaps: tracker.Gaps, Nodes: nodes.Len}.Register(),
	); err != nil {
		return nil, err
	}
	elector, gate := newElector(cfg, plain, ticks)
	driver, err := redfish.New(redfish.Options{
		Hosts:       watcher.Hosts(cfg),
		Credentials: credentials.NewSecrets(live, cfg.Fencing.SecretNamespace),
		ReadTimeout: cfg.Fencing.ReadTimeout.Duration,
	})
	if err != nil {
		return nil, fmt.Errorf("--config: fencing.redfish: %w", err)
	}
	registry, err := fencing.NewRegistry(driver)
	if err != nil {
		return nil, err
	}
	policy := watcher.Policies(cfg, registry)
	recorder := mgr.GetEventRecorder(component)
	health := fencinghealth.New(fencinghealth.Options{
		Live: live, Nodes: nodes, Tracker: tracker, Gate: gate, Fencing: registry, Hosts: watcher.Hosts(cfg),
		Override: func(node string) string { return policy(node).IdentityOverride },
		Busy:     index.Busy, Interval: cfg.Fencing.CheckInterval.Duration, Recorder: recorder, Clock: ticks,
	})
	reconciler := &incident.Reconciler{
		Live: live, KubeVirt: kubevirtapi.NewReader(live), Nodes: nodes, Tracker: tracker, Index: index, Gate: gate,
		Fencing: registry, Health: health, Policy: policy, Recorder: recorder, Clock: ticks,
	}
	probe := &observe.Probe{Tracker: tracker, Clock: ticks, Ask: ask(live, cfg)}
	state.watch(readiness(ctx, mgr, tracker))
	return mgr, errors.Join(mgr.Add(probe), mgr.Add(elector), mgr.Add(health), reconciler.AddToManager(mgr, waker, ticks))
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), kubevirtv1.AddToScheme(scheme), failurev1alpha1.AddToScheme(scheme))
}

// metricsOptions serves metrics in the clear on loopback only; elsewhere the API server says who may read them.
func metricsOptions(address string) metricsserver.Options {
	opts := metricsserver.Options{BindAddress: address}
	if host, _, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return opts
		}
	}
	opts.SecureServing = true
	opts.FilterProvider = filters.WithAuthenticationAndAuthorization
	return opts
}

func newElector(cfg *failurev1alpha1.FailureWatcherConfiguration, plain kubernetes.Interface, c clock.PassiveClock) (*election.Elector, *election.Gate) {
	host, err := os.Hostname()
	if err != nil {
		host = component
	}
	le := cfg.LeaderElection
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: le.Namespace, Name: le.Name},
		Client:     plain.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + uuid.NewString()},
	}
	return election.New(c, lock, election.Config{
		Enabled:       *le.Enabled,
		LeaseDuration: le.LeaseDuration.Duration,
		RenewDeadline: le.RenewDeadline.Duration,
		RetryPeriod:   le.RetryPeriod.Duration,
	})
}

// ask reads the leader election's Lease: it is small, it goes through to etcd, and reading it is allowed. Its absence is an answer.
func ask(live client.Reader, cfg *failurev1alpha1.FailureWatcherConfiguration) func(context.Context) error {
	name := types.NamespacedName{Namespace: cfg.LeaderElection.Namespace, Name: cfg.LeaderElection.Name}
	return func(ctx context.Context) error {
		return client.IgnoreNotFound(live.Get(ctx, name, &coordinationv1.Lease{}))
	}
}

// readiness is a function for /readyz: the watches are synced and the API server answers.
func readiness(ctx context.Context, mgr manager.Manager, tracker *observe.Tracker) func() error {
	return func() error {
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(soon) {
			return errors.New("the watches are not synced yet")
		}
		if !tracker.Answering() {
			return errors.New("the API server does not answer")
		}
		return nil
	}
}
