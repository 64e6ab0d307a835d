// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simkubelet renews the Leases of the simulated machines of the embedded cluster, with the code by which a kubelet
// does, and as that kubelet: a machine without power or network is silent, and all others go on as soon as an API server that
// was away is back. KWOK could renew Leases too, but from what its watch last showed, which stands still for up to a minute
// after an outage; no kubelet does.
//
// What else a kubelet writes is KWOK's and sim-virt-handler's affair.
package simkubelet

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/apimachinery/lease"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// tryAgain is when the keeper of the machines is asked again that did not answer.
const tryAgain = time.Second

// Machines is where the truth about the machines is held.
type Machines interface {
	Watch(ctx context.Context, since int64, wait time.Duration) (simhost.Snapshot, error)
}

// Leases are those of some machines.
type Leases struct {
	Machines Machines
	// Kubelet returns a client in the name of a node's kubelet.
	Kubelet func(node string) (kubernetes.Interface, error)
	// Duration is what the Lease says; as a kubelet does, it is renewed four times as often.
	Duration time.Duration
	// Nodes are the machines with a Node; others are left alone.
	Nodes map[string]bool
}

// Run renews the Leases of the machines that live, until ctx ends. While the keeper of the machines does not answer,
// everything goes on as it was last known.
func (l *Leases) Run(ctx context.Context) error {
	running := map[string]context.CancelFunc{}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	log := klog.FromContext(ctx)
	var revision int64
	for ctx.Err() == nil {
		snap, err := l.Machines.Watch(ctx, revision, simhost.MaxWait)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			log.Error(err, "State of the machines not known")
			select {
			case <-ctx.Done():
			case <-time.After(tryAgain):
			}
			continue
		}
		revision = snap.Revision
		for _, host := range snap.Hosts {
			stop, runs := running[host.Name]
			switch lives := l.Nodes[host.Name] && host.Alive(); {
			case lives && !runs:
				renewer, err := l.renewer(host.Name)
				if err != nil {
					return err
				}
				renewing, cancel := context.WithCancel(ctx)
				running[host.Name] = cancel
				log.Info("Kubelet renews its Lease", "node", host.Name)
				wg.Go(func() { renewer.Run(renewing) })
			case !lives && runs:
				log.Info("Kubelet is silent", "node", host.Name, "power", host.Power, "network", host.Network, "kubelet", host.Kubelet)
				stop()
				delete(running, host.Name)
			}
		}
	}
	return nil
}

func (l *Leases) renewer(node string) (lease.Controller, error) {
	client, err := l.Kubelet(node)
	if err != nil {
		return nil, fmt.Errorf("client of the kubelet of %s: %w", node, err)
	}
	seconds := int32(l.Duration / time.Second)
	return lease.NewController(clock.RealClock{}, client, node, seconds, nil, l.Duration/4, node, corev1.NamespaceNodeLease, owned(client, node)), nil
}

// owned makes the Node own its Lease, as a kubelet does, so that both go together.
func owned(client kubernetes.Interface, name string) lease.ProcessLeaseFunc {
	return func(l *coordinationv1.Lease) error {
		if len(l.OwnerReferences) > 0 {
			return nil
		}
		node, err := client.CoreV1().Nodes().Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading node %s: %w", name, err)
		}
		l.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: corev1.SchemeGroupVersion.WithKind("Node").GroupVersion().String(), Kind: "Node", Name: name, UID: node.UID,
		}}
		return nil
	}
}
