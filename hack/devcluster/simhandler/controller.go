// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhandler

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/play"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// workers is enough to keep the API server of a small machine busy.
const workers = 8

// Machines is where the truth about the machines is held.
type Machines interface {
	Hosts(ctx context.Context) (simhost.Snapshot, error)
	Watch(ctx context.Context, since int64, wait time.Duration) (simhost.Snapshot, error)
}

// Options are the parts of a Controller. All fields must be set.
type Options struct {
	Reader     client.Reader // from informers
	Live       client.Reader // from the API server
	Identities Identities
	Machines   Machines
	World      *guests.World
	Hosts      []simhost.Hardware
	Timing     play.Timing
	Clock      clock.WithTicker
	Log        logr.Logger
}

// Controller plays the node side.
type Controller struct {
	Options
	hardware map[string]simhost.Hardware
	queue    workqueue.TypedRateLimitingInterface[key]

	mu       sync.Mutex
	attached map[string]string    // node -> boot id with which its kubelet joined
	beats    map[string]time.Time // node -> last heartbeat of its virt-handler
	seen     time.Time            // last answer from Machines
	podIPs   map[types.UID]string // by launcher pod
	nextIP   uint32
	written  map[types.NamespacedName]string // VMI -> resource version that it was last written with
}

// New makes a controller; Run lets it work.
func New(opts Options) *Controller {
	c := &Controller{
		Options:  opts,
		hardware: map[string]simhost.Hardware{},
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[key](20*time.Millisecond, 5*time.Second),
			workqueue.TypedRateLimitingQueueConfig[key]{Name: "sim-virt-handler", Clock: opts.Clock}),
		attached: map[string]string{},
		beats:    map[string]time.Time{},
		podIPs:   map[types.UID]string{},
		written:  map[types.NamespacedName]string{},
	}
	for _, h := range opts.Hosts {
		if !h.Spare {
			c.hardware[h.Name] = h
		}
	}
	return c
}

// kind is what a key in the queue stands for.
type kind string

const (
	aVMI     kind = "vmi"
	aPod     kind = "pod"
	aNode    kind = "node"
	aGonePod kind = "gone-pod"
)

type key struct {
	kind kind
	types.NamespacedName
	uid  types.UID // of a gone pod
	node string    // of a gone pod
}

// Run works until ctx ends. The informers must have been synced.
func (c *Controller) Run(ctx context.Context) error {
	if err := c.refresh(ctx); err != nil {
		return fmt.Errorf("state of the machines: %w", err)
	}
	if err := c.takeUsedIPs(ctx); err != nil {
		return fmt.Errorf("addresses of pods: %w", err)
	}
	for node := range c.hardware {
		c.enqueueNode(node)
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for c.work(ctx) {
			}
		})
	}
	wg.Go(func() { c.watchMachines(ctx) })
	<-ctx.Done()
	c.queue.ShutDown()
	wg.Wait()
	return nil
}

func (c *Controller) work(ctx context.Context) bool {
	k, quit := c.queue.Get()
	if quit {
		return false
	}
	defer c.queue.Done(k)
	after, err := c.reconcile(ctx, k)
	switch {
	case err != nil && ctx.Err() == nil:
		// Conflicts are the informer lagging behind; everything else is worth a line.
		if !apierrors.IsConflict(err) {
			c.Log.Error(err, "will try again", "kind", k.kind, "name", k.NamespacedName)
		}
		c.queue.AddRateLimited(k)
	case after > 0:
		c.queue.Forget(k)
		c.queue.AddAfter(k, after)
	default:
		c.queue.Forget(k)
	}
	return true
}

func (c *Controller) reconcile(ctx context.Context, k key) (time.Duration, error) {
	switch k.kind {
	case aVMI:
		return c.reconcileVMI(ctx, k.NamespacedName)
	case aPod:
		return c.reconcilePod(ctx, k.NamespacedName)
	case aNode:
		return c.reconcileNode(ctx, k.Name)
	case aGonePod:
		return 0, c.podGone(k)
	}
	return 0, nil
}

// watchMachines follows the machines. When their keeper does not answer, everything stays as it was last known.
func (c *Controller) watchMachines(ctx context.Context) {
	var revision int64
	for ctx.Err() == nil {
		snap, err := c.Machines.Watch(ctx, revision, simhost.MaxWait)
		if err == nil {
			revision = snap.Revision
			err = c.takeOver(ctx, snap)
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Error(err, "state of the machines not known")
			select {
			case <-ctx.Done():
			case <-c.Clock.After(time.Second):
			}
		}
	}
}

// refresh asks for the state of the machines now: between two answers of the long poll one may have died.
func (c *Controller) refresh(ctx context.Context) error {
	snap, err := c.Machines.Hosts(ctx)
	if err != nil {
		return err
	}
	return c.takeOver(ctx, snap)
}

func (c *Controller) takeOver(ctx context.Context, snap simhost.Snapshot) error {
	c.mu.Lock()
	c.seen = c.Clock.Now()
	c.mu.Unlock()
	changed, err := c.World.SetMachines(snap.Hosts)
	for _, name := range changed {
		err = errors.Join(err, c.machineChanged(ctx, name))
	}
	return err
}

// machineChanged looks at everything that has to do with a machine.
func (c *Controller) machineChanged(ctx context.Context, name string) error {
	m := c.World.Machine(name)
	c.Log.Info("machine changed", "machine", name, "power", m.Power, "kubelet", m.Kubelet,
		"virtHandler", m.VirtHandler, "network", m.Network, "bootID", m.BootID)
	if _, ok := c.hardware[name]; ok {
		c.enqueueNode(name)
	}
	for _, g := range c.World.Live(func(g guests.Guest) bool { return g.Node == name }) {
		c.enqueueVMI(g.Namespace, g.VMI)
	}
	var pods corev1.PodList
	if err := c.Reader.List(ctx, &pods, client.MatchingFields{nodeIndex: name}); err != nil {
		return err
	}
	for i := range pods.Items {
		c.enqueuePod(&pods.Items[i])
	}
	for _, vmi := range c.World.MovesOf(name) {
		c.enqueueVMI(vmi.Namespace, vmi.Name)
	}
	return nil
}

func (c *Controller) isAttached(node string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot, ok := c.attached[node]
	return ok && boot == c.World.Machine(node).BootID
}

// takeUsedIPs goes on after the addresses that a simulator before this one gave away.
func (c *Controller) takeUsedIPs(ctx context.Context) error {
	var pods corev1.PodList
	if err := c.Reader.List(ctx, &pods); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range pods.Items {
		if ip := net.ParseIP(pods.Items[i].Status.PodIP).To4(); ip != nil && ip[0] == 10 && ip[1]&0xc0 == 128 {
			c.nextIP = max(c.nextIP, uint32(ip[1]&0x3f)<<16|uint32(ip[2])<<8|uint32(ip[3]))
		}
	}
	return nil
}

// podIP is the pod's address, which no other pod of this simulation has.
func (c *Controller) podIP(pod types.UID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.podIPs[pod]; !ok {
		c.nextIP++
		c.podIPs[pod] = net.IPv4(10, 128+byte(c.nextIP>>16&0x3f), byte(c.nextIP>>8), byte(c.nextIP)).String()
	}
	return c.podIPs[pod]
}

func (c *Controller) releaseIP(pod types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.podIPs, pod)
}

// Healthy says whether the machines' keeper has answered lately.
func (c *Controller) Healthy() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.IsZero() {
		return errors.New("the state of the machines was never known")
	}
	if age := c.Clock.Since(c.seen); age > 3*simhost.MaxWait {
		return fmt.Errorf("the state of the machines is %s old", age.Round(time.Second))
	}
	return nil
}
