// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/cluster"
)

// TestBadConfiguration runs the shipped programs with files that are wrong: each ends at once, not with 0, and says which field
// of which file is wrong.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	const watcher = "apiVersion: virt-scheduler.io/v1alpha1\nkind: FailureWatcherConfiguration\n"
	scheduler := func(args string) string {
		return "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nclientConnection:\n  kubeconfig: " +
			suite.Kubeconfig() + "\nprofiles:\n- schedulerName: virt-scheduler\n  plugins:\n    multiPoint:\n      enabled:\n      - name: VMUtilization\n  pluginConfig:\n  - name: VMUtilization\n    args:\n" + args
	}
	const unreadable = ""
	tests := map[string]struct {
		program, file string
		want          []string
	}{
		"watcher, no such file":        {build.FailureWatcher, unreadable, []string{"no such file"}},
		"watcher, unknown field":       {build.FailureWatcher, watcher + "detection:\n  leaseStale: 25s\n", []string{"detection.leaseStale"}},
		"watcher, wrong kind":          {build.FailureWatcher, strings.Replace(watcher, "FailureWatcher", "Watcher", 1), []string{"kind"}},
		"watcher, value out of range":  {build.FailureWatcher, watcher + "detection:\n  confirmAfter: 1s\n", []string{"detection.confirmAfter"}},
		"watcher, BMC without TLS":     {build.FailureWatcher, watcher + "fencing:\n  redfish:\n  - nodeName: a\n    endpoint: http://10.0.0.1\n    systemID: \"1\"\n    credentialsSecret: s\n", []string{"fencing.redfish[0].endpoint", "https"}},
		"scheduler, no such file":      {build.VirtScheduler, unreadable, []string{"no such file"}},
		"scheduler, unknown argument":  {build.VirtScheduler, scheduler("      stratgy: Least\n"), []string{"stratgy"}},
		"scheduler, value not allowed": {build.VirtScheduler, scheduler("      strategy: Middle\n"), []string{"strategy", "Middle"}},
		"scheduler, wrong args kind": {build.VirtScheduler, scheduler("      apiVersion: kubescheduler.config.k8s.io/v1\n      kind: InterPodAffinityArgs\n"), []string{
			"InterPodAffinityArgs",
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.yaml")
			if tc.file != unreadable {
				if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := start(t, tc.program, "--config="+path)
			err := p.ended(t, time.Minute)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
				t.Errorf("%s ended with %v, want an exit code other than 0", tc.program, err)
			}
			out := p.out.String()
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("%s does not name %q:\n%s", tc.program, want, out)
				}
			}
			if strings.Contains(out, "panic") {
				t.Errorf("%s panics:\n%s", tc.program, out)
			}
		})
	}
}

// TestWithoutPermission: under a ServiceAccount with no role the watcher says which permissions are missing, and ends.
func TestWithoutPermission(t *testing.T) {
	t.Parallel()
	s := suite.newStage(t, 0)
	s.must(s.client.Create(s.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "nobody"}}))
	token, err := s.kube.CoreV1().ServiceAccounts(s.ns).CreateToken(s.ctx, "nobody", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	s.must(err)
	kubeconfig := writeKubeconfig(t, s.AdminConfig(), token.Status.Token)
	p := start(t, build.FailureWatcher, "--config="+freeWatcherConfig(t), "--kubeconfig="+kubeconfig)
	err = p.ended(t, 2*time.Minute)
	out := p.out.String()
	if err == nil || !strings.Contains(out, "lacks permissions") || !strings.Contains(out, "nodefailures") || strings.Contains(out, "panic") {
		t.Errorf("failure-watcher ended with %v, want an error that names the missing permissions:\n%s", err, out)
	}
	if strings.Contains(out, token.Status.Token) {
		t.Error("the token is in the log")
	}
}

// TestWithoutKubeVirt: on a cluster without KubeVirt plain pods are scheduled by virt-scheduler, and the watcher waits and says for
// what.
func TestWithoutKubeVirt(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	output := filepath.Join(root, "_output")
	c, err := cluster.Up(ctx, cluster.Options{
		Root: root, BinDir: build.BinDir(output), Dir: filepath.Join(output, "e2e-plain"), Nodes: 2, Zones: 1,
		Without: append(cluster.KubeVirt(), build.SimCSI, build.FailureWatcher), Tied: true, Replace: true, Logf: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Down(context.WithoutCancel(ctx)) })
	f, err := newClients(c)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{field: f, t: t, ctx: ctx, ns: metav1.NamespaceDefault}

	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "plain"},
		Spec: corev1.PodSpec{
			SchedulerName: schedulerName, AutomountServiceAccountToken: to(false),
			Containers: []corev1.Container{{Name: "main", Image: "sim:1"}},
		},
	}
	s.await("a plain pod to be accepted", time.Minute, func() (bool, string, error) {
		err := s.client.Create(ctx, pod.DeepCopy())
		return err == nil, "", err // its ServiceAccount is made first
	})
	s.await("a plain pod to run", time.Minute, func() (bool, string, error) {
		now := &corev1.Pod{}
		err := s.client.Get(ctx, client.ObjectKeyFromObject(pod), now)
		return now.Status.Phase == corev1.PodRunning, fmt.Sprintf("%s on %q", now.Status.Phase, now.Spec.NodeName), err
	})
	p := start(t, build.FailureWatcher, "--config="+freeWatcherConfig(t), "--kubeconfig="+c.Kubeconfig())
	s.await("the watcher to say that it waits for KubeVirt", time.Minute, func() (bool, string, error) {
		out := p.out.String()
		return strings.Contains(out, "KubeVirt's CRDs") && strings.Contains(out, "install KubeVirt"), out, nil
	})
	p.stop(t)
	if out := p.out.String(); strings.Contains(out, "panic") {
		t.Errorf("failure-watcher panics:\n%s", out)
	}
}

// program is one of ours under test, with what it printed.
type program struct {
	cmd  *exec.Cmd
	out  *output
	done chan error
}

// output is written by the program and read by the test.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(build.BinDir("../../_output"), name))
	if err != nil {
		t.Fatal(err)
	}
	p := &program{cmd: exec.Command(bin, args...), out: &output{}, done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	return p
}

func (p *program) ended(t *testing.T, within time.Duration) error {
	t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(within):
		t.Fatalf("%s has not ended after %s:\n%s", p.cmd.Path, within, p.out.String())
		return nil
	}
}

// stop asks the program to end, as Kubernetes does, and wants it to do so with 0.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.ended(t, 30*time.Second); err != nil {
		t.Errorf("%s ended with %v after SIGTERM, want 0:\n%s", p.cmd.Path, err, p.out.String())
	}
}

// freeWatcherConfig is a valid configuration that uses no port.
func freeWatcherConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watcher.yaml")
	config := "apiVersion: virt-scheduler.io/v1alpha1\nkind: FailureWatcherConfiguration\nmetricsBindAddress: \"0\"\n" +
		"healthBindAddress: 127.0.0.1:0\nleaderElection:\n  name: e2e-second-watcher\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeKubeconfig(t *testing.T, server *rest.Config, token string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{
		Server: server.Host, CertificateAuthority: server.CAFile, CertificateAuthorityData: server.CAData,
	}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
