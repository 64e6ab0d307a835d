// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/kubevirt"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

// kubeVirtVersion is what the KubeVirt resource tells; the binaries carry their own.
const kubeVirtVersion = "v1.8.2"

// kubeVirtObjects runs kubevirt-install and fits what it prints.
func (c *Cluster) kubeVirtObjects(ctx context.Context) (*kubevirt.Objects, error) {
	cmd := exec.CommandContext(ctx, c.paths.binary(c.o.BinDir, build.KubeVirtInstall), "--namespace="+KubeVirtNamespace)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", build.KubeVirtInstall, err, stderr.Bytes())
	}
	return kubevirt.Parse(out, KubeVirtNamespace, kubeVirtVersion, kubevirt.VirtAPI{Port: c.port[build.VirtAPI], CA: c.pki.ca.PEM()})
}

// installKubeVirt installs all but what needs virt-api to answer.
func (c *Cluster) installKubeVirt(ctx context.Context, objects *kubevirt.Objects) error {
	if err := c.applier.applyAll(ctx, objects.CRDs); err != nil {
		return err
	}
	if err := c.applier.applyAll(ctx, objects.Base); err != nil {
		return err
	}
	if err := c.applier.awaitCRDs(ctx, objects.CRDs); err != nil {
		return err
	}
	if err := c.applier.apply(ctx, objects.CR); err != nil {
		return err
	}
	return c.applier.apply(ctx, objects.Status, "status")
}

func (c *Cluster) startVirtAPI(ctx context.Context) error {
	port := c.port[build.VirtAPI]
	spec := c.spec(build.VirtAPI,
		"--kubeconfig="+c.paths.kubeconfig(build.VirtAPI), "--listen=127.0.0.1", fmt.Sprintf("--port=%d", port),
		"--tls-cert-file="+c.pki.cert(virtServing), "--tls-key-file="+c.pki.key(virtServing),
		"--handler-cert-file="+c.pki.cert(handlerCert), "--handler-key-file="+c.pki.key(handlerCert),
	)
	spec.Ready = c.answers("", fmt.Sprintf("https://127.0.0.1:%d/healthz", port))
	return c.sup.Start(ctx, spec)
}

// registerVirtAPI points the API server at virt-api, and waits until it serves
// KubeVirt's subresources through it.
func (c *Cluster) registerVirtAPI(ctx context.Context, objects *kubevirt.Objects) error {
	if err := c.applier.applyAll(ctx, objects.Endpoints); err != nil {
		return err
	}
	for _, object := range objects.Endpoints {
		if object.GetKind() != "APIService" {
			continue
		}
		resource, err := c.applier.resource(object)
		if err != nil {
			return err
		}
		var live *unstructured.Unstructured
		if err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			live, err = resource.Get(ctx, object.GetName(), metav1.GetOptions{})
			return err == nil && hasCondition(live, "Available"), nil
		}); err != nil {
			var conditions any
			if live != nil {
				conditions, _, _ = unstructured.NestedSlice(live.Object, "status", "conditions")
			}
			return fmt.Errorf("APIService %s is not available: %w (conditions: %v)", object.GetName(), err, conditions)
		}
	}
	return nil
}

func (c *Cluster) startVirtController(ctx context.Context) error {
	port := c.port[build.VirtController]
	spec := c.spec(build.VirtController,
		"--kubeconfig="+c.paths.kubeconfig(build.VirtController), "--listen=127.0.0.1", fmt.Sprintf("--port=%d", port),
		"--prom-cert-file="+c.pki.cert(metricsCert), "--prom-key-file="+c.pki.key(metricsCert),
		"--launcher-image=sim.virt-scheduler.io/virt-launcher:"+kubeVirtVersion,
		"--exporter-image=sim.virt-scheduler.io/virt-exportserver:"+kubeVirtVersion,
	)
	spec.Ready = c.answers("", fmt.Sprintf("https://127.0.0.1:%d/healthz", port))
	return c.sup.Start(ctx, spec)
}

// awaitVirtController waits until a virt-controller leads: before that no VM
// gets anywhere.
func (c *Cluster) awaitVirtController(ctx context.Context) error {
	leases := c.client.CoordinationV1().Leases(KubeVirtNamespace)
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		lease, err := leases.Get(ctx, build.VirtController, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "", nil
	})
	if err != nil {
		return fmt.Errorf("no virt-controller leads: %w\n%s", err, proc.LogEnd(c.LogPath(build.VirtController), 30))
	}
	return nil
}

// missing returns an error for binaries that are not there.
func missing(dir string, names []string) error {
	var errs []error
	for _, name := range names {
		if _, err := exec.LookPath(paths{}.binary(dir, name)); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("binaries are missing, build them first (devcluster build): %w", errors.Join(errs...))
	}
	return nil
}
