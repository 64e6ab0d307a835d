// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sim-kubelet renews the Leases of the simulated machines of the embedded cluster, as their kubelets would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simkubelet"
)

type flags struct {
	kubeconfig, hosts, controlURL, controlToken, ca string
	leaseDuration                                   time.Duration
}

func main() {
	var f flags
	set := flag.NewFlagSet("sim-kubelet", flag.ExitOnError)
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of a user who may impersonate kubelets")
	set.StringVar(&f.hosts, "hosts", "", "hosts file")
	set.StringVar(&f.controlURL, "control-url", "", "control API of sim-bmc, https://127.0.0.1:PORT")
	set.StringVar(&f.controlToken, "control-token-file", "", "file with the bearer token of the control API")
	set.StringVar(&f.ca, "ca", "", "certificate authority of the control API")
	set.DurationVar(&f.leaseDuration, "lease-duration", 40*time.Second, "duration of a Lease, at least 4s; it is renewed each quarter of that")
	klog.InitFlags(set)
	_ = set.Parse(os.Args[1:]) // ExitOnError

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim-kubelet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	if f.leaseDuration < 4*time.Second {
		return errors.New("--lease-duration: want 4s or more")
	}
	file, err := simhost.ReadFile(f.hosts)
	if err != nil {
		return fmt.Errorf("--hosts: %w", err)
	}
	machines, err := simhost.NewClientFromFiles(f.controlURL, f.controlToken, f.ca)
	if err != nil {
		return err
	}
	defer machines.Close()
	config, err := clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %w", err)
	}
	nodes := map[string]bool{}
	for _, host := range file.Hosts {
		nodes[host.Name] = !host.Spare
	}
	leases := &simkubelet.Leases{
		Machines: machines, Duration: f.leaseDuration, Nodes: nodes,
		Kubelet: func(node string) (kubernetes.Interface, error) {
			own := rest.CopyConfig(config)
			own.Impersonate = rest.ImpersonationConfig{UserName: "system:node:" + node, Groups: []string{"system:nodes", "system:authenticated"}}
			return kubernetes.NewForConfig(own)
		},
	}
	return leases.Run(ctx)
}
