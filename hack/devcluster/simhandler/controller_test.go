// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	virtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/play"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

var epoch = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

// rack is machines whose state is set by hand.
type rack struct {
	mu    sync.Mutex
	hosts []simhost.HostState
}

func (r *rack) Hosts(context.Context) (simhost.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return simhost.Snapshot{Hosts: append([]simhost.HostState(nil), r.hosts...)}, nil
}

func (r *rack) Watch(ctx context.Context, _ int64, _ time.Duration) (simhost.Snapshot, error) {
	<-ctx.Done()
	return simhost.Snapshot{}, ctx.Err()
}

func (r *rack) set(change func(*simhost.HostState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.hosts[0])
}

// oneClient is an Identities without identities.
type oneClient struct{ client.Client }

func (o oneClient) Kubelet(string) (client.Client, error) { return o.Client, nil }
func (o oneClient) Handler(string) (client.Client, error) { return o.Client, nil }
func (o oneClient) Simulation() client.Client             { return o.Client }

// stage is a controller over a fake API with one machine.
type stage struct {
	*Controller
	t     *testing.T
	rack  *rack
	clock *testingclock.FakeClock
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&corev1.Pod{}, &corev1.Node{})
	for name, index := range Indexes() {
		builder = builder.WithIndex(&corev1.Pod{}, name, index)
	}
	c := builder.Build()
	clock := testingclock.NewFakeClock(epoch)
	r := &rack{hosts: []simhost.HostState{{
		Name: "a", Power: simhost.PowerOn, BootID: "boot-1", PowerChangedAt: epoch.Add(-time.Hour),
		Kubelet: true, VirtHandler: true, Network: true,
	}}}
	s := &stage{t: t, rack: r, clock: clock, Controller: New(Options{
		Reader: c, Live: c, Identities: oneClient{c}, Machines: r, World: guests.NewWorld(nil), Clock: clock,
		Hosts:  []simhost.Hardware{{Name: "a", SystemUUID: "uuid-a"}, {Name: "spare", Spare: true}},
		Timing: play.DefaultTiming(), Log: testr.New(t),
	})}
	s.look()
	return s
}

// look takes the machines' state over and reconciles everything until nothing is left in the queue.
func (s *stage) look() {
	s.t.Helper()
	ctx := s.t.Context()
	if err := s.refresh(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.enqueueNode("a")
	var pods corev1.PodList
	if err := s.Reader.List(ctx, &pods); err != nil {
		s.t.Fatal(err)
	}
	for range 5 { // there is no informer to call again after a write
		for i := range pods.Items {
			s.podChanged(&pods.Items[i])
		}
		s.enqueueVMI("ns", "vm")
		for s.queue.Len() > 0 {
			k, _ := s.queue.Get()
			if _, err := s.reconcile(ctx, k); err != nil {
				s.t.Fatalf("%s %s: %v", k.kind, k.Name, err)
			}
			s.queue.Done(k)
		}
	}
}

func (s *stage) get(o client.Object, namespace, name string) bool {
	s.t.Helper()
	err := s.Reader.Get(s.t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return err == nil
}

func (s *stage) vmiPhase() virtv1.VirtualMachineInstancePhase {
	var vmi virtv1.VirtualMachineInstance
	s.get(&vmi, "ns", "vm")
	return vmi.Status.Phase
}

func (s *stage) whys() []string {
	var out []string
	for _, e := range s.World.Events(0) {
		out = append(out, e.Why)
	}
	return out
}

func makeNode() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{play.ManagedLabel: play.ManagedValue}},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{BootID: "boot-1"}},
	}
}

func makeVMI() *virtv1.VirtualMachineInstance {
	return &virtv1.VirtualMachineInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "vm", UID: "vmi"},
		Status:     virtv1.VirtualMachineInstanceStatus{Phase: virtv1.Scheduled, NodeName: "a"},
	}
}

func makePod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "launcher", UID: "pod", Labels: map[string]string{virtv1.AppLabel: launcherApp},
			Annotations: map[string]string{virtv1.DomainAnnotation: "vm"},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "kubevirt.io/v1", Kind: "VirtualMachineInstance", Name: "vm", UID: "vmi", Controller: ptr.To(true)},
			},
		},
		Spec: corev1.PodSpec{
			NodeName: "a", RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "compute", Image: "sim/launcher:v1"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
}

func TestBootPowerOffAndReturn(t *testing.T) {
	s := newStage(t, makeNode(), makeVMI(), makePod())
	if got := s.vmiPhase(); got != virtv1.Running {
		t.Fatalf("phase %s, want Running", got)
	}
	var node corev1.Node
	s.get(&node, "", "a")
	if node.Labels[virtv1.NodeSchedulable] != "true" || node.Annotations[virtv1.VirtHandlerHeartbeat] == "" ||
		node.Status.NodeInfo.SystemUUID != "uuid-a" {
		t.Errorf("node after joining: labels %v, annotations %v, info %+v", node.Labels, node.Annotations, node.Status.NodeInfo)
	}

	off := epoch.Add(10 * time.Second)
	s.clock.SetTime(off.Add(time.Second))
	s.rack.set(func(h *simhost.HostState) { h.Power, h.PowerChangedAt = simhost.PowerOff, off })
	s.look()
	s.get(&node, "", "a")
	if _, managed := node.Labels[play.ManagedLabel]; managed {
		t.Error("node without power is still played by KWOK")
	}
	if got := s.vmiPhase(); got != virtv1.Running {
		t.Errorf("phase %s: a dead handler wrote it", got)
	}
	events := s.World.Events(0)
	if last := events[len(events)-1]; last.Why != simhost.WhyPowerOff || !last.At.Equal(off) {
		t.Errorf("last entry of the ledger %+v, want PowerOff at %s", last, off)
	}

	on := off.Add(time.Minute)
	s.clock.SetTime(on.Add(time.Second))
	s.rack.set(func(h *simhost.HostState) { h.Power, h.PowerChangedAt, h.BootID = simhost.PowerOn, on, "boot-2" })
	s.look()
	var pod corev1.Pod
	s.get(&pod, "ns", "launcher")
	s.get(&node, "", "a")
	if pod.Status.Phase != corev1.PodFailed || pod.Status.ContainerStatuses[0].State.Terminated == nil {
		t.Errorf("pod of the boot before: %+v", pod.Status)
	}
	if node.Status.NodeInfo.BootID != "boot-2" || node.Labels[play.ManagedLabel] != play.ManagedValue {
		t.Errorf("node after its return: boot id %q, labels %v", node.Status.NodeInfo.BootID, node.Labels)
	}
	if got := s.vmiPhase(); got != virtv1.Failed {
		t.Errorf("phase %s after the return, want Failed", got)
	}
}

func TestPodReleasedUnderAGuest(t *testing.T) {
	tests := map[string]struct {
		kubelet bool
		want    []string
	}{
		"the kubelet kills it":                   {kubelet: true, want: []string{"PodStarted", "PodGone"}},
		"it runs on while the kubelet is absent": {want: []string{"PodStarted"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, makeNode(), makeVMI(), makePod())
			s.rack.set(func(h *simhost.HostState) { h.Kubelet = tc.kubelet })
			s.look()
			var pod corev1.Pod
			s.get(&pod, "ns", "launcher")
			if err := s.Identities.Simulation().Delete(t.Context(), &pod); err != nil {
				t.Fatal(err)
			}
			s.podDeleted(&pod)
			s.look()
			if diff := cmp.Diff(tc.want, s.whys()); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
			// Late or not: a kubelet that is there ends it.
			s.rack.set(func(h *simhost.HostState) { h.Kubelet = true })
			s.look()
			if diff := cmp.Diff([]string{"PodStarted", "PodGone"}, s.whys()); diff != "" {
				t.Errorf("ledger with the kubelet back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGuestOfAVMIMadeAnew(t *testing.T) {
	s := newStage(t, makeNode(), makeVMI(), makePod())
	var vmi virtv1.VirtualMachineInstance
	s.get(&vmi, "ns", "vm")
	// The fake client can't create a VMI (its field manager knows no uint64), but lets the UID change.
	vmi.UID, vmi.Status = "another", virtv1.VirtualMachineInstanceStatus{}
	if err := s.Identities.Simulation().Update(t.Context(), &vmi); err != nil {
		t.Fatal(err)
	}
	s.look()
	if diff := cmp.Diff([]string{"PodStarted", "ShutDown"}, s.whys()); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestVolumes(t *testing.T) {
	const unique = corev1.UniqueVolumeName("kubernetes.io/csi/driver^handle")
	pod := makePod()
	pod.Spec.Volumes = []corev1.Volume{{Name: "d", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"},
	}}}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "claim"},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: "pv"},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
	}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv"},
		Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{
			CSI: &corev1.CSIPersistentVolumeSource{Driver: "driver", VolumeHandle: "handle"},
		}},
	}
	s := newStage(t, makeNode(), makeVMI(), pod, claim, pv)
	if got := len(s.World.Events(0)); got != 0 {
		t.Fatal("a guest was booted without its disk")
	}
	var node corev1.Node
	s.get(&node, "", "a")
	if diff := cmp.Diff([]corev1.UniqueVolumeName{unique}, node.Status.VolumesInUse); diff != "" {
		t.Errorf("volumes in use before the attachment (-want +got):\n%s", diff)
	}
	node.Status.VolumesAttached = []corev1.AttachedVolume{{Name: unique}}
	if err := s.Identities.Simulation().Status().Update(t.Context(), &node); err != nil {
		t.Fatal(err)
	}
	s.look()
	if got := s.vmiPhase(); got != virtv1.Running {
		t.Errorf("phase %s with the disk attached, want Running", got)
	}
	vmi := makeVMI()
	s.get(vmi, "ns", "vm")
	vmi.Status.Phase = virtv1.Failed
	if err := s.Identities.Simulation().Update(t.Context(), vmi); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.get(&node, "", "a")
	if len(node.Status.VolumesInUse) != 0 {
		t.Errorf("volumes in use after the end: %v", node.Status.VolumesInUse)
	}
}

func TestServer(t *testing.T) {
	s := newStage(t, makeNode(), makeVMI(), makePod())
	server := httptest.NewServer(s.Handler("secret"))
	defer server.Close()
	tests := map[string]struct {
		path, token string
		want        int
		events      int
	}{
		"health needs no token": {path: "/healthz", want: http.StatusOK},
		"ledger":                {path: simhost.GuestsPath, token: "secret", want: http.StatusOK, events: 1},
		"nothing new":           {path: simhost.GuestsPath + "?since=1", token: "secret", want: http.StatusOK},
		"no token":              {path: simhost.GuestsPath, want: http.StatusUnauthorized},
		"wrong token":           {path: simhost.GuestsPath, token: "guess", want: http.StatusUnauthorized},
		"not a number":          {path: simhost.GuestsPath + "?since=x", token: "secret", want: http.StatusBadRequest},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.token != "" {
				req.Header.Set("Authorization", "Bearer "+tc.token)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != tc.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tc.want)
			}
			if tc.want == http.StatusOK && tc.token != "" {
				var ledger simhost.GuestLedger
				if err := json.NewDecoder(resp.Body).Decode(&ledger); err != nil || len(ledger.Events) != tc.events {
					t.Errorf("%d events (%v), want %d", len(ledger.Events), err, tc.events)
				}
			}
		})
	}
}

func TestHealthNeedsTheMachines(t *testing.T) {
	s := newStage(t, makeNode())
	if err := s.Healthy(); err != nil {
		t.Errorf("unhealthy: %v", err)
	}
	s.clock.Step(5 * time.Minute)
	if err := s.Healthy(); err == nil {
		t.Error("healthy although the machines have not been heard of for 5 minutes")
	}
}
