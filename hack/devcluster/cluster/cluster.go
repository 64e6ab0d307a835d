// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

// stopGrace is how long a process may take over SIGTERM.
const stopGrace = 10 * time.Second

// Cluster is a running embedded cluster.
type Cluster struct {
	o     Options
	paths paths
	ports *proc.Ports
	sup   *proc.Supervisor
	pki   *pki
	// port is the port of each process on 127.0.0.1; etcdPeer beside them.
	port     map[string]int
	etcdPeer int
	version  string // Kubernetes' version

	config  *rest.Config
	client  kubernetes.Interface
	applier *applier
	sim     *simhost.Client

	down sync.Once
}

// paths are the files of a cluster below its directory.
type paths struct{ dir string }

func (p paths) join(elem ...string) string     { return filepath.Join(append([]string{p.dir}, elem...)...) }
func (p paths) pki() string                    { return p.join("pki") }
func (p paths) kubeconfigs() string            { return p.join("kubeconfig") }
func (p paths) kubeconfig(n string) string     { return p.join("kubeconfig", n) }
func (p paths) auditLog() string               { return p.join(proc.LogDir, "audit.log") }
func (p paths) auditPolicy() string            { return p.join("audit-policy.yaml") }
func (p paths) etcdData() string               { return p.join("etcd") }
func (p paths) hosts() string                  { return p.join("hosts.json") }
func (p paths) bmcLogins() string              { return p.join("bmc-credentials.json") }
func (p paths) controlToken() string           { return p.join("sim-bmc-token") }
func (p paths) ledger() string                 { return p.join("ledger") }
func (p paths) kwokConfig() string             { return p.join("kwok.yaml") }
func (p paths) schedulerConfig() string        { return p.join("virt-scheduler.yaml") }
func (p paths) watcherConfig() string          { return p.join("failure-watcher.yaml") }
func (p paths) binary(dir, name string) string { return filepath.Join(dir, name) }
func (p paths) token(account string) string {
	return p.join("tokens", account)
}

// KubeconfigPath returns the administrator's kubeconfig of the cluster in dir.
func KubeconfigPath(dir string) string { return paths{dir}.kubeconfig(adminUser) }

// Kubeconfig returns the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.paths.kubeconfig(adminUser) }

// AdminConfig returns a client configuration of the administrator, without
// client-side rate limit worth the name.
func (c *Cluster) AdminConfig() *rest.Config { return rest.CopyConfig(c.config) }

// Sim returns the client of sim-bmc's control API: what happens to machines.
func (c *Cluster) Sim() *simhost.Client { return c.sim }

// Hosts returns the simulated machines, with the ports of their BMCs.
func (c *Cluster) Hosts() []simhost.Hardware { return append([]simhost.Hardware(nil), c.o.Hosts...) }

// AuditLog returns the path of the API server's audit log: JSON lines, all
// writes, no reads.
func (c *Cluster) AuditLog() string { return c.paths.auditLog() }

// LogPath returns where a process's output goes.
func (c *Cluster) LogPath(process string) string { return c.sup.LogPath(process) }

// SchedulerConfig and WatcherConfig return the paths of the two configuration
// files: a test may rewrite one and restart the process.
func (c *Cluster) SchedulerConfig() string { return c.paths.schedulerConfig() }

// WatcherConfig returns the path of the watcher's configuration file.
func (c *Cluster) WatcherConfig() string { return c.paths.watcherConfig() }

// Port returns the port of a process on 127.0.0.1: the API of kube-apiserver,
// virt-api, sim-virt-handler; the control API of sim-bmc; health and metrics of
// the others. failure-watcher's metrics are at "failure-watcher/metrics".
func (c *Cluster) Port(process string) int { return c.port[process] }

// Guests returns the ledger of simulated guests: which ran where and when.
func (c *Cluster) Guests(ctx context.Context) ([]simhost.GuestEvent, error) {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", c.port[build.SimVirtHandler], simhost.GuestsPath)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(c.paths.controlToken())
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := http.DefaultTransport.RoundTrip(request) // loopback: no proxy, no redirect
	if err != nil {
		return nil, fmt.Errorf("ledger of guests: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ledger of guests: %s answers %s", url, response.Status)
	}
	var ledger simhost.GuestLedger
	if err := json.NewDecoder(response.Body).Decode(&ledger); err != nil {
		return nil, fmt.Errorf("ledger of guests: %w", err)
	}
	return ledger.Events, nil
}

// Start starts a process again as Up started it, and waits until it is ready.
func (c *Cluster) Start(ctx context.Context, process string) error {
	return c.sup.Restart(ctx, process)
}

// Stop ends a process by SIGTERM, after 10 s by SIGKILL.
func (c *Cluster) Stop(process string) error { return c.sup.Stop(process, stopGrace) }

// Kill ends a process by SIGKILL.
func (c *Cluster) Kill(process string) error { return c.sup.Kill(process) }

// Suspend halts a process where it is (SIGSTOP): it hangs, and dies not.
func (c *Cluster) Suspend(process string) error { return c.sup.Signal(process, syscall.SIGSTOP) }

// Resume lets a suspended process go on.
func (c *Cluster) Resume(process string) error { return c.sup.Signal(process, syscall.SIGCONT) }

// Running says whether a process runs (a suspended one does).
func (c *Cluster) Running(process string) bool { return c.sup.Running(process) }

// Restarts says how often a process was started again because it had ended by
// itself, as programs do that lose their leadership: the calling process plays
// the kubelet for them. etcd, kube-apiserver and sim-bmc stay down.
func (c *Cluster) Restarts(process string) int { return c.sup.Restarts(process) }

// PID returns the pid of a process, 0 when it does not run.
func (c *Cluster) PID(process string) int { return c.sup.PID(process) }

// Down ends all processes. Logs, keys and data stay until the next Up.
func (c *Cluster) Down(context.Context) error {
	var err error
	c.down.Do(func() {
		if c.sim != nil {
			c.sim.Close()
		}
		c.ports.Close()
		_, err = Down(c.o.Dir) // it tells the supervisor by the state file to start nothing again
		c.sup.Close()
	})
	return err
}

// waves is the order of Down: clients before servers, so that the API server
// has no connection left to wait for.
func waves() [][]string {
	return [][]string{
		{build.VirtScheduler, build.FailureWatcher},
		{build.VirtController, build.VirtAPI, build.SimVirtHandler, build.SimKubelet, build.SimCSI, build.SimBMC, build.KWOK, build.ControllerManager},
		{build.APIServer},
		{build.Etcd},
	}
}

// Down ends exactly the processes that the cluster in dir started, also when
// what started them was killed. It returns the names of those that still ran.
func Down(dir string) ([]string, error) {
	// Nothing of the data is kept: no reason to wait long for an orderly end.
	return proc.EndAll(dir, 5*time.Second, waves()...)
}

// remove deletes what a cluster that is down left in dir, and nothing else
// that may be there.
func (p paths) remove() error {
	var errs []error
	for _, path := range []string{
		p.pki(), p.kubeconfigs(), p.etcdData(), p.join("tokens"), p.join(proc.LogDir), p.auditPolicy(), p.hosts(), p.bmcLogins(),
		p.controlToken(), p.kwokConfig(), p.schedulerConfig(), p.watcherConfig(), p.ledger(),
	} {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}
