// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/kubevirt"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

// Up brings a cluster up and waits until VMs can be created in it. When it
// fails, or ctx ends before it is done, everything that it started is ended.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := c.up(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("bring up the embedded cluster: %w", err), c.Down(context.WithoutCancel(ctx)))
	}
	o.Logf("ready after %.1f s; logs in %s", time.Since(begin).Seconds(), c.paths.join(proc.LogDir))
	return c, nil
}

// prepare makes everything that needs no running process.
func prepare(o Options) (*Cluster, error) {
	if err := missing(o.BinDir, wanted(o)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if o.Replace {
		if _, err := Down(o.Dir); err != nil {
			return nil, err
		}
	}
	c := &Cluster{o: o, paths: paths{o.Dir}, ports: proc.NewPorts(), port: map[string]int{}}
	var err error
	if c.sup, err = proc.New(o.Dir, c.ports, o.Tied); err != nil {
		return nil, err
	}
	if err := c.prepareFiles(); err != nil {
		return nil, errors.Join(err, c.Down(context.Background()))
	}
	return c, nil
}

func (c *Cluster) prepareFiles() error {
	if err := c.paths.remove(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.paths.join(proc.LogDir), 0o700); err != nil {
		return err
	}
	if err := c.reservePorts(); err != nil {
		return err
	}
	var err error
	if c.pki, err = newPKI(c.paths.pki()); err != nil {
		return err
	}
	if err := c.pki.writeKubeconfigs(c.paths.kubeconfigs(), c.apiServerURL()); err != nil {
		return err
	}
	if err := proc.WriteFile(c.paths.auditPolicy(), auditPolicy); err != nil {
		return err
	}
	return c.writeHosts()
}

// wanted returns the binaries that Up uses.
func wanted(o Options) []string {
	var names []string
	for _, step := range build.Steps() {
		if o.with(step.Binary) {
			names = append(names, step.Binary)
		}
	}
	return names
}

// reservePorts gives a port to every process and every BMC.
func (c *Cluster) reservePorts() error {
	names := []string{watcherMetrics}
	for _, step := range build.Steps() {
		names = append(names, step.Binary)
	}
	ports, err := c.ports.Reserve(len(names) + 1 + len(c.o.Hosts))
	if err != nil {
		return err
	}
	for i, name := range names {
		c.port[name] = ports[i]
	}
	c.etcdPeer = ports[len(names)]
	for i := range c.o.Hosts {
		c.o.Hosts[i].BMCPort = ports[len(names)+1+i]
	}
	return nil
}

// step is one part of coming up.
type step struct {
	name string
	// process is what the step is about; the step is left out without it.
	process string
	run     func(context.Context) error
}

func (c *Cluster) up(ctx context.Context) error {
	var objects *kubevirt.Objects
	stages := [][]step{
		{{"etcd", build.Etcd, c.startEtcd}},
		{{"kube-apiserver", build.APIServer, c.startAPIServer}},
		{{"clients and namespaces", build.APIServer, c.connect}},
		{
			{"kube-controller-manager", build.ControllerManager, c.startControllerManager},
			{"nodes", build.APIServer, c.registerNodes},
			{"KubeVirt's CRDs, RBAC and configuration", build.KubeVirtInstall, func(ctx context.Context) (err error) {
				if objects, err = c.kubeVirtObjects(ctx); err != nil {
					return err
				}
				return c.installKubeVirt(ctx, objects)
			}},
			{"sim-bmc", build.SimBMC, c.startSimBMC},
		},
		{
			{"kwok", build.KWOK, c.startKWOK},
			{"sim-kubelet", build.SimKubelet, c.startSimKubelet},
			{"virt-api", build.VirtAPI, c.startVirtAPI},
			{"our CRDs and RBAC", "", c.applyOurs},
			{"sim-csi", build.SimCSI, c.startSimCSI},
		},
		{
			{"KubeVirt's webhooks and APIServices", build.VirtAPI, func(ctx context.Context) error { return c.registerVirtAPI(ctx, objects) }},
			{"virt-controller", build.VirtController, c.startVirtController},
			{"sim-virt-handler", build.SimVirtHandler, c.startSimVirtHandler},
			{"virt-scheduler", build.VirtScheduler, c.startVirtScheduler},
			{"failure-watcher", build.FailureWatcher, c.startFailureWatcher},
		},
		{
			{"nodes are Ready", build.KWOK, c.awaitNodes},
			{"kubelets renew their Leases", build.SimKubelet, c.awaitLeases},
			{"nodes take VMs", build.SimVirtHandler, c.awaitSchedulable},
			{"sim-csi serves every node", build.SimCSI, c.awaitCSI},
			{"virt-controller leads", build.VirtController, c.awaitVirtController},
		},
	}
	for _, stage := range stages {
		if err := c.runStage(ctx, stage); err != nil {
			return err
		}
	}
	return nil
}

// runStage runs the steps of a stage at once, and ends all at the first error.
func (c *Cluster) runStage(ctx context.Context, stage []step) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, s := range stage {
		if s.process != "" && !c.o.with(s.process) {
			continue
		}
		wg.Go(func() {
			begin := time.Now()
			if err := s.run(ctx); err != nil {
				cancel(err) // the first one counts: it is the cause of the others
				return
			}
			c.o.Logf("%s (%.1f s)", s.name, time.Since(begin).Seconds())
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// connect makes the clients, and the namespaces that all else goes into.
func (c *Cluster) connect(ctx context.Context) error {
	var err error
	if c.config, err = loadConfig(c.Kubeconfig()); err != nil {
		return err
	}
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		return err
	}
	if c.applier, err = newApplier(c.config); err != nil {
		return err
	}
	version, err := c.client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	c.version = version.GitVersion
	for _, name := range []string{KubeVirtNamespace, SystemNamespace} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := c.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create namespace %s: %w", name, err)
		}
	}
	return nil
}

// applyOurs is left out only when both of our programs are.
func (c *Cluster) applyOurs(ctx context.Context) error {
	if slices.Contains(c.o.Without, build.VirtScheduler) && slices.Contains(c.o.Without, build.FailureWatcher) {
		return nil
	}
	if err := c.applyManifests(ctx); err != nil {
		return err
	}
	return c.createBMCSecrets(ctx)
}
