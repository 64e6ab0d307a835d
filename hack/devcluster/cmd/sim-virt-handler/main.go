// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sim-virt-handler plays the node side of KubeVirt for all machines of the embedded cluster: virt-handlers,
// launchers, guests, and what of their kubelets KWOK does not play. Nothing is virtualised.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	virtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/guests"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhandler/play"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
)

type flags struct {
	kubeconfig, hosts, controlURL, controlToken, ca, listen, ledger string
}

func main() {
	var f flags
	set := flag.NewFlagSet("sim-virt-handler", flag.ExitOnError)
	set.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of a user who may impersonate kubelets and virt-handlers, or else of virt-handler")
	set.StringVar(&f.hosts, "hosts", "", "hosts file")
	set.StringVar(&f.controlURL, "control-url", "", "control API of sim-bmc, https://127.0.0.1:PORT")
	set.StringVar(&f.controlToken, "control-token-file", "", "file with the bearer token of the control API, and of our own")
	set.StringVar(&f.ca, "ca", "", "certificate authority of the control API")
	set.StringVar(&f.listen, "listen", "127.0.0.1:0", "address of /healthz and "+simhost.GuestsPath)
	set.StringVar(&f.ledger, "ledger-dir", "", "directory of the guests' ledger (default: that of the hosts file)")
	klog.InitFlags(set)
	_ = set.Parse(os.Args[1:]) // ExitOnError
	ctrllog.SetLogger(klog.Background())

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim-virt-handler:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	file, err := simhost.ReadFile(f.hosts)
	if err != nil {
		return fmt.Errorf("--hosts: %w", err)
	}
	token, err := os.ReadFile(f.controlToken)
	if err != nil {
		return fmt.Errorf("--control-token-file: %w", err)
	}
	machines, err := simhost.NewClientFromFiles(f.controlURL, f.controlToken, f.ca)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", f.kubeconfig)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 200, 400
	scheme, err := simhandler.NewScheme()
	if err != nil {
		return err
	}
	identities, err := simhandler.NewIdentities(ctx, config, scheme, klog.Background())
	if err != nil {
		return err
	}
	informers, err := cache.New(config, cache.Options{
		Scheme: scheme, Mapper: identities.Simulation().RESTMapper(),
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: {Label: launchers()}},
	})
	if err != nil {
		return err
	}
	for name, index := range simhandler.Indexes() {
		if err := informers.IndexField(ctx, &corev1.Pod{}, name, index); err != nil {
			return err
		}
	}
	if f.ledger == "" {
		f.ledger = filepath.Dir(f.hosts)
	}
	world, closeLedger, err := openWorld(ctx, identities.Simulation(), file, f.ledger)
	if err != nil {
		return err
	}
	defer closeLedger()
	controller := simhandler.New(simhandler.Options{
		Reader: informers, Live: identities.Simulation(), Identities: identities, Machines: machines, World: world,
		Hosts: file.Hosts, Timing: play.DefaultTiming(), Clock: clock.RealClock{}, Log: klog.Background(),
	})
	return serve(ctx, f.listen, strings.TrimSpace(string(token)), controller, informers)
}

// openWorld opens the ledger of this very cluster, which outlives this process, not the cluster: the UID of a node
// tells one cluster from the next that was built over the same machines.
func openWorld(ctx context.Context, c client.Client, file simhost.File, dir string) (*guests.World, func(), error) {
	var node corev1.Node
	for _, h := range file.Hosts {
		if h.Spare {
			continue
		}
		err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
			err := c.Get(ctx, types.NamespacedName{Name: h.Name}, &node)
			return err == nil, client.IgnoreNotFound(err)
		})
		if err != nil {
			return nil, nil, fmt.Errorf("node %s: %w", h.Name, err)
		}
		break
	}
	world, closer, err := guests.Open(filepath.Join(dir, "guests-"+string(node.UID)+".jsonl"))
	if err != nil {
		return nil, nil, err
	}
	return world, func() {
		if err := closer.Close(); err != nil {
			klog.ErrorS(err, "ledger of guests")
		}
	}, nil
}

// launchers selects launcher pods and the pods that hold hot-plugged disks for them.
func launchers() labels.Selector {
	r, err := labels.NewRequirement(virtv1.AppLabel, selection.In, []string{"virt-launcher", "hotplug-disk"})
	if err != nil {
		panic(err) // constants
	}
	return labels.NewSelector().Add(*r)
}

func serve(ctx context.Context, address, token string, controller *simhandler.Controller, informers cache.Cache) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		if err := informers.Start(ctx); err != nil {
			cancel(fmt.Errorf("informers: %w", err))
		}
	}()
	server := &http.Server{Addr: address, Handler: controller.Handler(token), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("--listen: %w", err))
		}
	}()
	defer func() { _ = server.Close() }()
	if err := controller.Follow(ctx, informers); err != nil {
		return err
	}
	if !informers.WaitForCacheSync(ctx) {
		return fmt.Errorf("informers never synced: %w", context.Cause(ctx))
	}
	klog.InfoS("sim-virt-handler runs", "listen", address)
	if err := controller.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}
