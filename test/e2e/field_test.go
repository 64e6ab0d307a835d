// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/ledger"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// poolLabel on a node says which test it belongs to; VMs select it.
const poolLabel = "e2e.virt-scheduler.io/pool"

// look is the time between two looks at what a test waits for.
const look = 250 * time.Millisecond

// field is the cluster with what the tests need to act on it.
type field struct {
	*cluster.Cluster
	client client.Client
	kube   kubernetes.Interface

	mu    sync.Mutex
	taken map[string]bool // nodes that belong to a test
	away  []span          // when the API server was away
}

// newClients is a field whose cluster needs no preparation.
func newClients(c *cluster.Cluster) (*field, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, kubevirtv1.AddToScheme, failurev1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	cl, err := client.New(c.AdminConfig(), client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(c.AdminConfig())
	if err != nil {
		return nil, err
	}
	return &field{Cluster: c, client: cl, kube: kube, taken: map[string]bool{}}, nil
}

func newField(ctx context.Context, c *cluster.Cluster) (*field, error) {
	f, err := newClients(c)
	if err != nil {
		return nil, err
	}
	return f, f.allowManyMigrations(ctx)
}

// allowManyMigrations lifts KubeVirt's limits, so that tests that hold a migration don't wait for each other.
func (f *field) allowManyMigrations(ctx context.Context) error {
	var list kubevirtv1.KubeVirtList
	if err := f.client.List(ctx, &list); err != nil {
		return err
	}
	if len(list.Items) != 1 {
		return fmt.Errorf("%d KubeVirt objects, want 1", len(list.Items))
	}
	kv := &list.Items[0]
	before := kv.DeepCopy()
	many := uint32(50)
	kv.Spec.Configuration.MigrationConfiguration = &kubevirtv1.MigrationConfiguration{
		ParallelMigrationsPerCluster: &many, ParallelOutboundMigrationsPerNode: &many,
	}
	return f.client.Patch(ctx, kv, client.MergeFrom(before))
}

// stage is one test's part of the field: a namespace and a pool of nodes.
type stage struct {
	*field
	t     *testing.T
	ctx   context.Context
	ns    string
	nodes []string
	from  time.Time
}

// newStage takes n nodes, over as many zones as there are, and makes the namespace. The nodes are not given back: a test that
// failed may leave them broken.
func (f *field) newStage(t *testing.T, n int) *stage {
	t.Helper()
	return f.newStageOf(t, slices.Repeat([]string{""}, n)...)
}

// newStageOf takes a node for each processor named; "" is what most nodes have.
func (f *field) newStageOf(t *testing.T, processors ...string) *stage {
	t.Helper()
	s := &stage{field: f, t: t, ctx: t.Context(), ns: namespaceFor(t.Name()), from: time.Now()}
	for _, processor := range processors {
		s.take("processor "+processor, func(h simhost.Hardware) bool { return h.Processor == processor })
	}
	s.must(s.client.Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}))
	// Whatever a test is about: no VM of it ever ran twice.
	t.Cleanup(s.assertOneGuestPerVM)
	return s
}

// newStageOver takes n nodes of each zone, and returns their names by zone, too.
func (f *field) newStageOver(t *testing.T, n int) (*stage, map[string][]string) {
	t.Helper()
	s := f.newStage(t, 0)
	zones := map[string][]string{}
	for i := range zoneCount {
		zone := fmt.Sprintf("zone-%d", i+1)
		for range n {
			s.take(zone, func(h simhost.Hardware) bool { return h.Processor == "" && h.Zone == zone })
		}
		zones[zone] = s.nodes[i*n:]
	}
	return s, zones
}

// take makes a node that nobody has one of the stage's.
func (s *stage) take(what string, fits func(simhost.Hardware) bool) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.Hosts() {
		if fits(h) && !h.Spare && !s.taken[h.Name] {
			s.taken[h.Name] = true
			s.nodes = append(s.nodes, h.Name)
			return
		}
	}
	s.t.Fatalf("the field has no free node of %s left: see machines()", what)
}

// admit lets the stage's VMs run on these nodes, too: VMs that are created while one node is admitted start there.
func (s *stage) admit(nodes ...string) {
	s.t.Helper()
	for _, name := range nodes {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, poolLabel, s.ns)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		s.must(s.client.Patch(s.ctx, node, client.RawPatch("application/merge-patch+json", patch)))
	}
}

func namespaceFor(test string) string {
	name := strings.ToLower(strings.TrimPrefix(test, "Test"))
	return strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, name)
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// await waits until reached says so; a failing look is told when time is up, since an API server may be away for a while.
func (s *stage) await(what string, within time.Duration, reached func() (done bool, seen string, err error)) {
	s.t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		done, seen, err := reached()
		if err == nil && done {
			return
		}
		if err != nil {
			seen = err.Error()
		}
		select {
		case <-deadline.C:
			s.t.Fatalf("waited %s for %s; last seen: %s", within, what, seen)
		case <-s.ctx.Done():
			s.t.Fatalf("waiting for %s: %v; last seen: %s", what, s.ctx.Err(), seen)
		case <-tick.C:
		}
	}
}

// holdsUntil looks again and again until a moment, and fails at the first look at which the check does not hold.
func (s *stage) holdsUntil(what string, until time.Time, holds func() (ok bool, seen string)) {
	s.t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Now().Before(until) {
		if ok, seen := holds(); !ok {
			s.t.Fatalf("%s no longer holds: %s", what, seen)
		}
		select {
		case <-s.ctx.Done():
			s.t.Fatal(s.ctx.Err())
		case <-tick.C:
		}
	}
}

// change patches the simulated machine.
func (s *stage) change(host string, patch simhost.Patch) simhost.HostState {
	s.t.Helper()
	state, err := s.Sim().Set(s.ctx, host, patch)
	s.must(err)
	return state
}

// cutPower takes a machine's power and returns when.
func (s *stage) cutPower(host string) time.Time {
	s.t.Helper()
	state, err := s.Sim().SetPower(s.ctx, host, simhost.PowerOff)
	s.must(err)
	s.t.Logf("%s lost its power at %s", host, state.PowerChangedAt.Format(time.TimeOnly))
	return state.PowerChangedAt
}

// guests are the lives of this stage's guests.
func (s *stage) guests() []simhost.GuestEvent {
	s.t.Helper()
	all, err := s.Guests(context.WithoutCancel(s.ctx))
	s.must(err)
	return all
}

func (s *stage) assertOneGuestPerVM() {
	events, err := s.Guests(context.WithoutCancel(s.ctx))
	if err != nil {
		s.t.Errorf("ledger: %v", err)
		return
	}
	for _, v := range ledger.Check(events) {
		if v.VM.Namespace == s.ns || v.Rule == ledger.RuleSequence {
			s.t.Errorf("violation: %s", v)
		}
	}
}

// liveGuests returns where the VM's guests run now.
func (s *stage) liveGuests(vm string) []ledger.Guest {
	s.t.Helper()
	return ledger.Live(s.guests())[client.ObjectKey{Namespace: s.ns, Name: vm}]
}
