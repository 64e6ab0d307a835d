// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt/heartbeats"
	"github.com/virt-scheduler/virt-scheduler/pkg/clusterview"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
	"github.com/virt-scheduler/virt-scheduler/pkg/plugins/vmnodeselection"
)

// The profiles that are compared; the last two are others' (see startScheduler).
const (
	low           = "virt-scheduler"
	high          = "virt-scheduler-high-node-utilization"
	stock         = "stock"
	openshiftHigh = "openshift-high-node-utilization"
)

// poolLabel keeps the hosts and pods of one test from those of another.
const poolLabel = "test.virt-scheduler.io/pool"

// TestPains: what users of VMs on Kubernetes have reported, each with the profile from which they suffered and with ours.
func TestPains(t *testing.T) {
	c := startControlPlane(t)
	c.applyBase(t)
	c.installVMIs(t)
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0)) // heartbeats are measured by it
	registry := plugins.NewRegistry()
	registry[vmnodeselection.Name] = vmnodeselection.NewFactory(clusterview.NewPool(), heartbeats.NewPool(clock))
	c.startSchedulerWith(t, registry)
	t.Run("VMs pile up where little is requested", c.pileUp)
	t.Run("packing spreads", c.packingSpreads)
	t.Run("a guest with the host's CPU model is where it can never leave", c.trapped)
	// The last, as all hosts are silent then.
	t.Run("a dying virt-handler goes unnoticed", func(t *testing.T) { c.dyingVirtHandler(t, clock) })
}

// pileUp is harvester#10547, #1654, #4418: a guest of 8 vCPUs requests 800m, so a host on which others request much
// stays without VMs, and the other one gets them all.
func (c *controlPlane) pileUp(t *testing.T) {
	const vms, vcpus = 10, 8
	skews := map[string]float64{}
	for _, profile := range []string{low, stock} {
		pool := "pile-up-" + profile
		free := map[string]float64{pool + "-shared": 10, pool + "-empty": 16} // CPUs that nobody else requests
		for host := range free {
			c.createHost(t, host, pool, nil)
		}
		c.createPod(t, pod(pool+"-others").requests("6", "1Gi").on(pool+"-shared"))
		perCPU := map[string]float64{}
		for i := range vms {
			name := fmt.Sprintf("%s-vm-%d", pool, i)
			c.createPod(t, launcher(name, c.createVMI(t, name, vcpus), "800m").by(profile).in(pool))
			host := c.awaitPlaced(t, name)
			perCPU[host] += vcpus / free[host]
		}
		skews[profile] = max(perCPU[pool+"-shared"], perCPU[pool+"-empty"]) / min(perCPU[pool+"-shared"], perCPU[pool+"-empty"])
		t.Logf("%s: vCPUs per free CPU: %v", profile, perCPU)
	}
	if skews[low] > 1.25 {
		t.Errorf("%s: one host has %.2f times the vCPUs per CPU of the other, want at most 1.25", low, skews[low])
	}
	if skews[stock] < 1.5 {
		t.Errorf("with the stock profile one host has %.2f times the vCPUs per CPU of the other: the pain is gone, and so is the reason for this test", skews[stock])
	}
}

// packingSpreads is deckhouse#22511: with OpenShift's HighNodeUtilization the built-in spreading of pods behind a Service
// outweighs packing.
func (c *controlPlane) packingSpreads(t *testing.T) {
	const hosts, vms = 6, 6
	used := map[string]int{}
	for _, profile := range []string{high, openshiftHigh} {
		pool := "pack-" + profile
		for i := range hosts {
			c.createHost(t, fmt.Sprintf("%s-%d", pool, i), pool, nil)
		}
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: pool, Namespace: namespace}}
		service.Spec.Selector = map[string]string{"app": pool}
		service.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		if _, err := c.client.CoreV1().Services(namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		on := map[string]int{}
		for i := range vms {
			name := fmt.Sprintf("%s-vm-%d", pool, i)
			p := launcher(name, c.createVMI(t, name, 2), "200m").by(profile).in(pool)
			p.Labels["app"] = pool
			c.createPod(t, p)
			on[c.awaitPlaced(t, name)]++
		}
		used[profile] = len(on)
	}
	if used[high] != 1 {
		t.Errorf("%s uses %d hosts for VMs that fit on one", high, used[high])
	}
	if used[openshiftHigh] < 3 {
		t.Errorf("OpenShift's profile uses %d hosts only: the pain is gone, and so is the reason for this test", used[openshiftHigh])
	}
}

// trapped is harvester#3015: the guest gets the CPU model of the newest host, to which no other host can give a home.
func (c *controlPlane) trapped(t *testing.T) {
	const pool = "trapped"
	labels := func(own string, supported ...string) map[string]string {
		l := map[string]string{"host-model-cpu.node.kubevirt.io/" + own: "true", "cpu-vendor.node.kubevirt.io/Intel": "true"}
		for _, model := range append(supported, own) {
			l["cpu-model.node.kubevirt.io/"+model] = "true"
			l["cpu-model-migration.node.kubevirt.io/"+model] = "true"
		}
		return l
	}
	for i := range 3 {
		host := fmt.Sprintf("%s-old-%d", pool, i)
		c.createHost(t, host, pool, labels("Haswell"))
		load := fmt.Sprintf("%s-load-%d", pool, i)
		c.createPod(t, launcher(load, c.createVMI(t, load, 4), "400m").on(host))
	}
	c.createHost(t, pool+"-newest", pool, labels("Cascadelake-Server", "Haswell")) // it is empty
	for profile, want := range map[string]bool{low: false, stock: true} {
		name := pool + "-" + profile
		c.createPod(t, launcher(name, c.createVMI(t, name, 4), "400m").by(profile).in(pool))
		if host := c.awaitPlaced(t, name); (host == pool+"-newest") != want {
			t.Errorf("%s placed the VM on %s; on the newest host: %t, want %t", profile, host, !want, want)
		}
		c.deletePod(t, name)
	}
}

// dyingVirtHandler: virt-controller notices after five minutes that a virt-handler is silent, and until then its host is as good as
// any for those who look at labels only. Of two hosts the one that is empty falls silent.
func (c *controlPlane) dyingVirtHandler(t *testing.T, clock *clocktesting.FakePassiveClock) {
	t.Helper()
	const pool, silent, living = "dying", "dying-silent", "dying-living"
	vms := 0
	place := func(profile string) string {
		t.Helper()
		vms++
		name := fmt.Sprintf("%s-vm-%d", pool, vms)
		return c.place(t, launcher(name, c.createVMI(t, name, 4), "400m").by(profile).in(pool))
	}
	after := func(d time.Duration) { clock.SetTime(clock.Now().Add(d)) }
	c.createHost(t, silent, pool, nil)
	c.createHost(t, living, pool, nil)
	c.createPod(t, launcher("dying-load", c.createVMI(t, "dying-load", 12), "1200m").on(living))
	for _, profile := range []string{low, stock} {
		if host := place(profile); host != silent {
			t.Errorf("%s placed a VM on %s while both virt-handlers are heard of, want the empty host, %s", profile, host, silent)
		}
	}
	after(179 * time.Second)
	c.beat(t, living, "2026-01-01T00:03:00Z")
	if host := place(low); host != silent {
		t.Errorf("%s placed a VM on %s 179 s after the last heartbeat of %s, want it there: beats may come every 132 s", low, host, silent)
	}
	after(2 * time.Second)
	if host := place(low); host != living {
		t.Errorf("%s placed a VM on %s 181 s after its last heartbeat", low, host)
	}
	if host := place(stock); host != silent {
		t.Errorf("the stock profile placed a VM on %s: the pain is gone, and so is the reason for this test", host)
	}
	// With the living host out of reach there is none, until the silent one is heard of again.
	waits := launcher("dying-waits", c.createVMI(t, "dying-waits", 4), "400m").by(low).in(pool)
	waits.Spec.NodeSelector[corev1.LabelHostname] = silent
	c.createPod(t, waits)
	c.awaitRefused(t, "dying-waits")
	c.beat(t, silent, "2026-01-01T00:03:01Z")
	c.awaitPlaced(t, "dying-waits")
}

// beat lets a host's virt-handler be heard of.
func (c *controlPlane) beat(t *testing.T, host, heartbeat string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"kubevirt.io/heartbeat":%q}}}`, heartbeat)
	if _, err := c.client.CoreV1().Nodes().Patch(t.Context(), host, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (p podBuilder) in(pool string) podBuilder {
	p.Spec.NodeSelector = map[string]string{poolLabel: pool}
	return p
}
