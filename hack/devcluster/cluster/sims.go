// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/hosts"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/kwok"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// csiDriver is the name of sim-csi's driver.
const csiDriver = "sim.csi.virt-scheduler.io"

// writeHosts writes the files that the simulators read.
func (c *Cluster) writeHosts() error {
	if err := simhost.WriteFile(c.paths.hosts(), simhost.File{Hosts: c.o.Hosts}); err != nil {
		return err
	}
	logins := map[string]simhost.Credential{}
	for _, host := range c.o.Hosts {
		logins[host.Name] = simhost.Credential{Username: "admin-" + host.Name, Password: rand.Text()}
	}
	if err := simhost.WriteCredentials(c.paths.bmcLogins(), logins); err != nil {
		return err
	}
	return proc.WriteFile(c.paths.controlToken(), []byte(rand.Text()+"\n"))
}

// registerNodes creates the Node of each machine, as its kubelet would.
func (c *Cluster) registerNodes(ctx context.Context) error {
	for i, host := range c.o.Hosts {
		if host.Spare {
			continue
		}
		if _, err := c.client.CoreV1().Nodes().Create(ctx, hosts.Node(host, i, c.version), metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("register node %s: %w", host.Name, err)
		}
	}
	return nil
}

func (c *Cluster) startKWOK(ctx context.Context) error {
	if err := proc.WriteFile(c.paths.kwokConfig(), kwok.Config()); err != nil {
		return err
	}
	port := c.port[build.KWOK]
	spec := c.spec(build.KWOK,
		"--kubeconfig="+c.paths.kubeconfig(build.KWOK), "--config="+c.paths.kwokConfig(),
		"--manage-nodes-with-label-selector="+hosts.ManagedLabel+"="+hosts.ManagedValue,
		"--node-lease-duration-seconds=0", // that is sim-kubelet's affair
		fmt.Sprintf("--server-address=127.0.0.1:%d", port),
	)
	spec.Ready = c.answers("", fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
	return c.sup.Start(ctx, spec)
}

// awaitNodes waits until every node is Ready and takes pods.
func (c *Cluster) awaitNodes(ctx context.Context) error {
	var waiting []string
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, nil //nolint:nilerr // asked again until the time is over
		}
		waiting = waiting[:0]
		for _, node := range nodes.Items {
			if !ready(&node) || len(node.Spec.Taints) > 0 {
				waiting = append(waiting, node.Name)
			}
		}
		return len(waiting) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("nodes %v are not Ready or still tainted: %w\n%s", waiting, err, proc.LogEnd(c.LogPath(build.KWOK), 10))
	}
	return nil
}

func ready(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (c *Cluster) controlURL() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.port[build.SimBMC])
}

func (c *Cluster) startSimBMC(ctx context.Context) error {
	var err error
	c.sim, err = simhost.NewClientFromFiles(c.controlURL(), c.paths.controlToken(), c.pki.caFile())
	if err != nil {
		return err
	}
	spec := c.spec(build.SimBMC,
		"--hosts="+c.paths.hosts(), "--credentials="+c.paths.bmcLogins(),
		"--tls-cert="+c.pki.cert(bmcServing), "--tls-key="+c.pki.key(bmcServing),
		fmt.Sprintf("--control-listen=127.0.0.1:%d", c.port[build.SimBMC]), "--control-token-file="+c.paths.controlToken(),
	)
	for _, host := range c.o.Hosts {
		spec.Ports = append(spec.Ports, host.BMCPort)
	}
	spec.Ready = func(ctx context.Context) error {
		_, err := c.sim.Hosts(ctx)
		return err
	}
	return c.sup.Start(ctx, spec)
}

func (c *Cluster) startSimKubelet(ctx context.Context) error {
	return c.sup.Start(ctx, c.spec(build.SimKubelet,
		"--kubeconfig="+c.paths.kubeconfig(build.SimKubelet), "--hosts="+c.paths.hosts(),
		"--control-url="+c.controlURL(), "--control-token-file="+c.paths.controlToken(), "--ca="+c.pki.caFile(),
		fmt.Sprintf("--lease-duration=%ds", c.o.timings().leaseSeconds),
	))
}

// awaitLeases waits until every node has its Lease.
func (c *Cluster) awaitLeases(ctx context.Context) error {
	return c.awaitNodesHave(ctx, "Lease", build.SimKubelet, func(ctx context.Context) (int, error) {
		leases, err := c.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).List(ctx, metav1.ListOptions{})
		if err != nil {
			return 0, err
		}
		return len(leases.Items), nil
	})
}

// awaitNodesHave waits until something is counted as often as there are nodes.
func (c *Cluster) awaitNodesHave(ctx context.Context, what, process string, count func(context.Context) (int, error)) error {
	want := 0
	for _, host := range c.o.Hosts {
		if !host.Spare {
			want++
		}
	}
	var got int
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var err error
		got, err = count(ctx)
		return err == nil && got >= want, nil
	})
	if err != nil {
		return fmt.Errorf("%d of %d nodes have their %s: %w\n%s", got, want, what, err, proc.LogEnd(c.LogPath(process), 30))
	}
	return nil
}

func (c *Cluster) startSimVirtHandler(ctx context.Context) error {
	if err := os.MkdirAll(c.paths.ledger(), 0o700); err != nil {
		return err
	}
	port := c.port[build.SimVirtHandler]
	spec := c.spec(build.SimVirtHandler,
		"--kubeconfig="+c.paths.kubeconfig(build.SimVirtHandler), "--hosts="+c.paths.hosts(),
		"--control-url="+c.controlURL(), "--control-token-file="+c.paths.controlToken(), "--ca="+c.pki.caFile(),
		fmt.Sprintf("--listen=127.0.0.1:%d", port),
		"--ledger-dir="+c.paths.ledger(),
	)
	spec.Ready = c.answers("", fmt.Sprintf("http://127.0.0.1:%d/healthz", port))
	return c.sup.Start(ctx, spec)
}

func (c *Cluster) startSimCSI(ctx context.Context) error {
	if err := c.createStorageClass(ctx); err != nil {
		return err
	}
	return c.sup.Start(ctx, c.spec(build.SimCSI, "--kubeconfig="+c.paths.kubeconfig(build.SimCSI)))
}

func (c *Cluster) createStorageClass(ctx context.Context) error {
	attach, podInfo := true, false
	driver := &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: csiDriver},
		Spec:       storagev1.CSIDriverSpec{AttachRequired: &attach, PodInfoOnMount: &podInfo},
	}
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        StorageClass,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: csiDriver,
	}
	if _, err := c.client.StorageV1().CSIDrivers().Create(ctx, driver, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create CSIDriver: %w", err)
	}
	if _, err := c.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create StorageClass: %w", err)
	}
	return nil
}

// awaitCSI waits until sim-csi has registered its driver on every node.
func (c *Cluster) awaitCSI(ctx context.Context) error {
	return c.awaitNodesHave(ctx, "CSI driver", build.SimCSI, func(ctx context.Context) (int, error) {
		registered, err := c.client.StorageV1().CSINodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return 0, err
		}
		return len(registered.Items), nil
	})
}

// awaitSchedulable waits until the simulated virt-handler has announced every
// node to KubeVirt.
func (c *Cluster) awaitSchedulable(ctx context.Context) error {
	var once sync.Once
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "kubevirt.io/schedulable!=true"})
		if err == nil && len(nodes.Items) > 0 {
			once.Do(func() { c.o.Logf("waiting for %s on %d nodes", build.SimVirtHandler, len(nodes.Items)) })
		}
		return err == nil && len(nodes.Items) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("nodes did not become kubevirt.io/schedulable: %w\n%s", err, proc.LogEnd(c.LogPath(build.SimVirtHandler), 30))
	}
	return nil
}
