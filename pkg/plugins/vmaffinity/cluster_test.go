// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"context"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2/ktesting"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/crdwatch/simapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
)

func init() { metrics.Register() }

// cluster is what a profile of a test sees.
type cluster struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod // placed
	vmis  []*kubevirtv1.VirtualMachineInstance
	// off are hosts with an open NodeFailure that holds a proof; failed are those without.
	off, failed []string
	namespaces  []*corev1.Namespace
	// config is that of an API which serves the VMs; nil: one is made.
	config *rest.Config
	// args are the defaults when nil.
	args *config.VMAffinityArgs
	// upstream is enabled instead of our plugin.
	upstream bool
	// disabled switches points of the plugin off.
	disabled schedulerconfig.Plugins
}

// profile is a real framework with one plugin.
type profile struct {
	framework.Framework
	plugin *VMAffinity
	hosts  []fwk.NodeInfo
	again  activated
}

func (c cluster) profile(ctx context.Context, tb testing.TB) *profile {
	tb.Helper()
	if c.args == nil {
		c.args = defaultArgs(tb)
	}
	if c.config == nil {
		c.config = c.api(tb)
	}
	p := &profile{}
	var objects []runtime.Object
	for _, n := range append(c.namespaces, makeNamespace(metav1.NamespaceDefault, nil)) {
		objects = append(objects, n)
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(objects...), 0)
	registry := plugins.NewInTreeRegistry()
	start := NewFactory(clusterview.NewPool())
	registry[Name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		made, err := start(ctx, args, handle)
		p.plugin, _ = made.(*VMAffinity)
		return made, err
	}
	one := func(name string, weight int32) schedulerconfig.PluginSet {
		return schedulerconfig.PluginSet{Enabled: []schedulerconfig.Plugin{{Name: name, Weight: weight}}}
	}
	enabled := c.disabled
	enabled.QueueSort, enabled.Bind = one(names.PrioritySort, 0), one(names.DefaultBinder, 0)
	enabled.MultiPoint = one(Name, 1)
	given := []schedulerconfig.PluginConfig{{Name: Name, Args: c.args}}
	if c.upstream {
		enabled.MultiPoint = one(names.InterPodAffinity, 1)
		given = []schedulerconfig.PluginConfig{{Name: names.InterPodAffinity, Args: &schedulerconfig.InterPodAffinityArgs{
			HardPodAffinityWeight: c.args.HardPodAffinityWeight, IgnorePreferredTermsOfExistingPods: c.args.IgnorePreferredTermsOfExistingPods,
		}}}
	}
	snapshot := cache.NewSnapshot(c.pods, c.nodes)
	var err error
	p.Framework, err = frameworkruntime.NewFramework(ctx, registry,
		&schedulerconfig.KubeSchedulerProfile{SchedulerName: "test", Plugins: &enabled, PluginConfig: given},
		frameworkruntime.WithSnapshotSharedLister(snapshot), frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithKubeConfig(c.config), frameworkruntime.WithPodActivator(&p.again))
	if err != nil {
		tb.Fatal(err)
	}
	factory.Start(ctx.Done())
	namespaces := factory.Core().V1().Namespaces().Lister()
	eventually(ctx, tb, "the namespaces are known", func() bool {
		list, err := namespaces.List(labels.Everything())
		return err == nil && len(list) == len(objects)
	})
	if p.hosts, err = snapshot.NodeInfos().List(); err != nil {
		tb.Fatal(err)
	}
	c.await(ctx, tb, p)
	return p
}

var nodeFailures = simapi.Resource{GroupVersion: failurev1alpha1.GroupVersion, Plural: "nodefailures", Kind: "NodeFailure"}

// api serves the VMs and the failures of nodes.
func (c cluster) api(tb testing.TB) *rest.Config {
	tb.Helper()
	vmis, failures := simapi.New(tb, simapi.VMIs), simapi.New(tb, nodeFailures)
	vmis.Install()
	failures.Install()
	for _, v := range c.vmis {
		vmis.Set(v)
	}
	for _, name := range slices.Concat(c.off, c.failed) {
		f := &failurev1alpha1.NodeFailure{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
		f.Spec.NodeName = name
		if slices.Contains(c.off, name) {
			f.Status.Fence = &failurev1alpha1.Fence{Proof: &failurev1alpha1.Proof{Kind: failurev1alpha1.ProofPoweredOff}}
		}
		failures.Set(f)
	}
	return both(tb, vmis, failures)
}

// both makes one API of two.
func both(tb testing.TB, vmis, failures *simapi.Server) *rest.Config {
	tb.Helper()
	to := func(config *rest.Config) http.Handler {
		target, err := url.Parse(config.Host)
		if err != nil {
			tb.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.FlushInterval = -1
		proxy.ErrorLog = log.New(io.Discard, "", 0)
		return proxy
	}
	mux := http.NewServeMux()
	mux.Handle("/apis/"+failurev1alpha1.GroupVersion.Group+"/", to(failures.Config()))
	mux.Handle("/", to(vmis.Config()))
	server := httptest.NewServer(mux)
	tb.Cleanup(server.CloseClientConnections)
	return &rest.Config{Host: server.URL}
}

// await waits until the plugin knows the VMs.
func (c cluster) await(ctx context.Context, tb testing.TB, p *profile) {
	tb.Helper()
	if p.plugin == nil {
		return
	}
	eventually(ctx, tb, "the VMs are known", func() bool {
		for _, name := range slices.Concat(c.off, c.failed) {
			if err := p.plugin.view.Refresh(); err != nil {
				tb.Fatal(err)
			}
			if host, ok := p.plugin.view.HostNamed(name); !ok || !host.Failed {
				return false
			}
		}
		for _, v := range c.vmis {
			if vm := p.plugin.view.VM(makeVM(v.UID).Obj()); vm == nil || vm.Guessed {
				return false
			}
		}
		return true
	})
}

func eventually(ctx context.Context, tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	if err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil }); err != nil {
		tb.Fatalf("not within 30 s: %s", what)
	}
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	_, ctx := ktesting.NewTestContext(tb)
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	return ctx
}

// result is what a cycle says of a pod.
type result struct {
	// Refused: host -> code and reason.
	Refused map[string]string
	// Scores of the others; nil when scoring was skipped.
	Scores map[string]int64
}

// What a host is refused for, in short.
const (
	notNear  = "UnschedulableAndUnresolvable: " + reasonAffinity
	tooNear  = "Unschedulable: " + reasonAnti
	repelled = "Unschedulable: " + reasonTheirs
)

// cycle runs a pod through the profile, up to scores, without placing it. change may add pods to, and remove them from,
// what PreFilter found.
func (p *profile) cycle(ctx context.Context, tb testing.TB, pod *corev1.Pod, change ...func(state fwk.CycleState)) result {
	tb.Helper()
	state := framework.NewCycleState()
	r := result{Refused: map[string]string{}}
	_, status, _ := p.RunPreFilterPlugins(ctx, state, pod)
	if status.IsRejected() {
		for _, host := range p.hosts {
			r.Refused[host.Node().Name] = status.Code().String() + ": " + status.Message()
		}
		return r
	}
	if !status.IsSuccess() {
		tb.Fatalf("PreFilter: %v", status)
	}
	for _, c := range change {
		c(state)
	}
	var left []fwk.NodeInfo
	for _, host := range p.hosts {
		switch status := p.RunFilterPlugins(ctx, state, pod, host); {
		case status.IsSuccess():
			left = append(left, host)
		case status.IsRejected():
			r.Refused[host.Node().Name] = status.Code().String() + ": " + status.Message()
		default:
			tb.Fatalf("Filter: %v", status)
		}
	}
	if status := p.RunPreScorePlugins(ctx, state, pod, left); !status.IsSuccess() {
		tb.Fatalf("PreScore: %v", status)
	}
	scores, status := p.RunScorePlugins(ctx, state, pod, left)
	if !status.IsSuccess() {
		tb.Fatalf("Score: %v", status)
	}
	for _, s := range scores {
		if len(s.Scores) == 0 {
			continue
		}
		if r.Scores == nil {
			r.Scores = map[string]int64{}
		}
		r.Scores[s.Name] = s.TotalScore
	}
	return r
}

// codes leaves out the reasons, which upstream words otherwise.
func (r result) codes() map[string]string {
	codes := map[string]string{}
	for host, refused := range r.Refused {
		codes[host], _, _ = strings.Cut(refused, ":")
	}
	return codes
}

// checkUpstream checks that upstream's plugin says the same in the same cluster.
func (c cluster) checkUpstream(ctx context.Context, t *testing.T, pod *corev1.Pod, ours result) {
	t.Helper()
	c.upstream = true
	theirs := c.profile(ctx, t).cycle(ctx, t, pod)
	if diff := cmp.Diff(theirs.codes(), ours.codes()); diff != "" {
		t.Errorf("refused (-upstream +ours):\n%s", diff)
	}
	if diff := cmp.Diff(nonzero(theirs.Scores), nonzero(ours.Scores)); diff != "" {
		t.Errorf("scores (-upstream +ours):\n%s", diff)
	}
}

// nonzero leaves out scores of 0: all hosts have one, or scoring was skipped.
func nonzero(scores map[string]int64) map[string]int64 {
	scores = maps.Clone(scores)
	maps.DeleteFunc(scores, func(_ string, score int64) bool { return score == 0 })
	if len(scores) == 0 {
		return nil
	}
	return scores
}
