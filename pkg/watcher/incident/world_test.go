// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
	"github.com/virt-scheduler/virt-scheduler/pkg/decide/failover"
	"github.com/virt-scheduler/virt-scheduler/pkg/fencing"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/election"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/kubevirtapi"
	"github.com/virt-scheduler/virt-scheduler/pkg/watcher/observe"
)

// The fake client knows neither resourceVersion semantics of every kind nor admission: these tests are about which requests are made,
// in which order and with which preconditions. What a real API server makes of them is tested in test/e2e.

const (
	nodeName   = "node-1"
	nodeUID    = types.UID("node-uid")
	bootID     = "boot-1"
	systemUUID = "4c4c4544-0042-3510-8052-b4c04f4d4d32"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is a cluster of one node with one VM, its BMC, and a reconciler over it.
type world struct {
	t      *testing.T
	clock  *testclock.FakeClock
	client client.Client
	r      *Reconciler
	driver *fakeDriver
	health *fakeHealth
	stop   context.CancelFunc

	mu     sync.Mutex
	writes []string
	fail   func(write string) error
	onGet  func(client.Object)
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{t: t, clock: testclock.NewFakeClock(start), driver: &fakeDriver{power: fencing.PowerOff, uuid: systemUUID}, health: &fakeHealth{}}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kubevirtv1.AddToScheme, failurev1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&failurev1alpha1.NodeFailure{}).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithInterceptorFuncs(w.recorder()).Build()
	registry, err := fencing.NewRegistry(w.driver)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	elector, gate := election.New(w.clock, nil, election.Config{})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = elector.Start(ctx) }()
	w.stop = func() { cancel(); <-ended }
	t.Cleanup(w.stop)
	for {
		leading, changed := gate.Leading()
		if leading {
			break
		}
		<-changed
	}
	w.r = &Reconciler{
		Live: w.client, KubeVirt: kubevirtapi.NewReader(w.client), Nodes: observe.NewNodes(), Tracker: observe.NewTracker(w.clock),
		Index: NewIndex(), Gate: gate, Fencing: registry, Health: w.health, Recorder: events.NewFakeRecorder(1000), Clock: w.clock,
		Policy: func(string) failover.Policy {
			return failover.Policy{
				LeaseStaleAfter: 25 * time.Second, ConfirmAfter: 50 * time.Second, PowerReadInterval: 5 * time.Second,
				AttemptTimeout: 2 * time.Minute, MaxAttempts: 3, MigrationTimeout: time.Minute, HealthyDelay: 10 * time.Second,
				DriverConfigured: true, DriverName: "fake",
			}
		},
	}
	w.r.Tracker.Answered()
	return w
}

// recorder notes every write as one line, and lets fail decide about it. onGet is called after what was read.
func (w *world) recorder() interceptor.Funcs {
	note := func(format string, args ...any) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		line := fmt.Sprintf(format, args...)
		w.writes = append(w.writes, line)
		if w.fail != nil {
			return w.fail(line)
		}
		return nil
	}
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, o, opts...)
			if w.onGet != nil {
				w.onGet(o)
			}
			return err
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := note("create %T %s", o, o.GetName()); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			options := (&client.DeleteOptions{}).ApplyOptions(opts).AsDeleteOptions()
			if err := note("delete %T %s grace=%d uid=%s", o, o.GetName(), *options.GracePeriodSeconds, *options.Preconditions.UID); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			data, err := p.Data(o)
			if err != nil {
				return err
			}
			if err := note("patch %T %s %s", o, o.GetName(), shape(data)); err != nil {
				return err
			}
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			phase := ""
			if nf, ok := o.(*failurev1alpha1.NodeFailure); ok {
				phase = string(nf.Status.Phase)
			}
			data, err := p.Data(o)
			if err != nil {
				return err
			}
			locked := strings.Contains(string(data), `"resourceVersion"`)
			if err := note("store %s locked=%t", phase, locked); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}
}

// shape is a taint patch without what differs from run to run.
func shape(data []byte) string {
	var patch struct {
		Metadata struct{ ResourceVersion string }
		Spec     struct{ Taints []corev1.Taint }
	}
	if err := json.Unmarshal(data, &patch); err != nil {
		return err.Error()
	}
	keys := []string{}
	for _, taint := range patch.Spec.Taints {
		keys = append(keys, taint.Key)
	}
	return fmt.Sprintf("taints=%v locked=%t", keys, patch.Metadata.ResourceVersion != "")
}

func (w *world) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	writes := w.writes
	w.writes = nil
	return writes
}

// pass lets time go on while the API server answers, then reconciles once.
func (w *world) pass(seconds int) (reconcile.Result, error) {
	w.t.Helper()
	for range seconds {
		w.clock.Step(time.Second)
		w.r.Tracker.Answered()
	}
	ctx := klog.NewContext(w.t.Context(), klog.Logger{})
	return w.r.Reconcile(ctx, reconcile.Request{NamespacedName: types.NamespacedName{Name: nodeName}})
}

// see gives the watches' view of the node and its Lease.
func (w *world) see(node *corev1.Node, lease *coordinationv1.Lease) {
	w.r.Nodes.Set(node)
	w.r.Tracker.Booted(node.Name, node.Status.NodeInfo.BootID)
	w.r.Tracker.Seen(node.Name, observe.Fingerprint(lease))
}

func (w *world) failures() []failurev1alpha1.NodeFailure {
	w.t.Helper()
	var list failurev1alpha1.NodeFailureList
	if err := w.client.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

type fakeDriver struct {
	mu     sync.Mutex
	power  fencing.PowerState
	uuid   string
	err    error
	offs   int
	onRead func()
}

func (d *fakeDriver) Name() string           { return "fake" }
func (d *fakeDriver) Configured(string) bool { return true }

func (d *fakeDriver) Read(context.Context, string) (fencing.Reading, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.onRead != nil {
		d.onRead()
	}
	return fencing.Reading{Power: d.power, SystemUUID: d.uuid, SystemID: "1", Endpoint: "https://bmc"}, d.err
}

func (d *fakeDriver) PowerOff(context.Context, string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offs++
	return nil
}

type fakeHealth struct{ disabled, distrusted string }

func (h *fakeHealth) Disabled(context.Context, string) string              { return h.disabled }
func (h *fakeHealth) Distrust(_ context.Context, _ string, message string) { h.distrusted = message }

func makeNode(ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: nodeUID, Labels: map[string]string{kubevirtv1.NodeSchedulable: "true"}},
		Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
			NodeInfo:   corev1.NodeSystemInfo{BootID: bootID, SystemUUID: systemUUID},
		},
	}
}

func makeLease(renewed time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Namespace: corev1.NamespaceNodeLease, UID: "lease-uid"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(nodeName), RenewTime: &metav1.MicroTime{Time: renewed}},
	}
}

func makeLauncher(vmi string, uid types.UID) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "virt-launcher-" + vmi, Namespace: "ns", UID: uid,
			Labels: map[string]string{kubevirtv1.AppLabel: "virt-launcher"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "kubevirt.io/v1", Kind: "VirtualMachineInstance", Name: vmi, UID: types.UID("vmi-" + vmi), Controller: ptr.To(true),
			}},
		},
		Spec:   corev1.PodSpec{NodeName: nodeName},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func makeVM(name string) (*kubevirtv1.VirtualMachine, *kubevirtv1.VirtualMachineInstance) {
	vm := &kubevirtv1.VirtualMachine{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", UID: types.UID("vm-" + name)},
		Spec:       kubevirtv1.VirtualMachineSpec{RunStrategy: ptr.To(kubevirtv1.RunStrategyAlways)},
	}
	vmi := &kubevirtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", UID: types.UID("vmi-" + name), OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "kubevirt.io/v1", Kind: "VirtualMachine", Name: name, UID: vm.UID, Controller: ptr.To(true),
		}}},
		Status: kubevirtv1.VirtualMachineInstanceStatus{Phase: kubevirtv1.Running, NodeName: nodeName},
	}
	return vm, vmi
}
