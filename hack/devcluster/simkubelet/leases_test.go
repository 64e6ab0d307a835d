// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simkubelet

import (
	"context"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2/ktesting"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// rack is machines whose state is set by hand.
type rack struct {
	mu       sync.Mutex
	snapshot simhost.Snapshot
	changed  chan struct{}
}

func (r *rack) set(change func(*simhost.HostState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.snapshot.Hosts {
		change(&r.snapshot.Hosts[i])
	}
	r.snapshot.Revision++
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *rack) Watch(ctx context.Context, since int64, _ time.Duration) (simhost.Snapshot, error) {
	for {
		r.mu.Lock()
		now, changed := r.snapshot, r.changed
		now.Hosts = append([]simhost.HostState(nil), now.Hosts...)
		r.mu.Unlock()
		if now.Revision > since {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return simhost.Snapshot{}, ctx.Err()
		}
	}
}

// A machine that lives has a Lease that its Node owns; one that has no power, no network or no kubelet is silent, and goes on
// when it is back.
func TestLeases(t *testing.T) {
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	alive := simhost.HostState{Power: simhost.PowerOn, Kubelet: true, VirtHandler: true, Network: true}
	machines := &rack{changed: make(chan struct{})}
	for _, name := range []string{"a", "b", "spare"} {
		host := alive
		host.Name = name
		machines.snapshot.Hosts = append(machines.snapshot.Hosts, host)
	}
	machines.snapshot.Revision = 1
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "uid-a"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b", UID: "uid-b"}})
	leases := &Leases{
		Machines: machines, Duration: 40 * time.Millisecond, Nodes: map[string]bool{"a": true, "b": true},
		Kubelet: func(string) (kubernetes.Interface, error) { return client, nil },
	}
	ended := make(chan error)
	go func() { ended <- leases.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	read := func(node string) *coordinationv1.Lease {
		lease, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		return lease
	}
	renewed := func(node string) bool {
		var first *coordinationv1.Lease
		err := wait.PollUntilContextTimeout(ctx, time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
			now := read(node)
			if first == nil {
				first = now
			}
			return now != nil && !now.Spec.RenewTime.Equal(first.Spec.RenewTime), nil
		})
		return err == nil
	}
	for _, node := range []string{"a", "b"} {
		if !renewed(node) {
			t.Fatalf("the Lease of %s is not renewed: %+v", node, read(node))
		}
		if owners := read(node).OwnerReferences; len(owners) != 1 || string(owners[0].UID) != "uid-"+node || owners[0].Name != node {
			t.Errorf("the Lease of %s is owned by %+v, want its Node", node, owners)
		}
	}
	for name, cut := range map[string]func(*simhost.HostState){
		"no power":   func(h *simhost.HostState) { h.Power = simhost.PowerOff },
		"no network": func(h *simhost.HostState) { h.Network = false },
		"no kubelet": func(h *simhost.HostState) { h.Kubelet = false },
	} {
		machines.set(func(h *simhost.HostState) {
			if h.Name == "a" {
				cut(h)
			}
		})
		// The renewal under way may still arrive; after that b is renewed many times, and a is not.
		last := read("a")
		for i := range 20 {
			if !renewed("b") {
				t.Fatalf("%s: the Lease of b is not renewed", name)
			}
			if i == 10 {
				last = read("a")
			}
		}
		if now := read("a"); !now.Spec.RenewTime.Equal(last.Spec.RenewTime) {
			t.Errorf("%s: the Lease of a was renewed", name)
		}
		machines.set(func(h *simhost.HostState) {
			back := alive
			back.Name = h.Name
			*h = back
		})
		if !renewed("a") {
			t.Errorf("%s: the Lease of a is not renewed once it is back", name)
		}
	}
	if read("spare") != nil {
		t.Error("a machine without a Node has a Lease")
	}
}
