// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// answers returns a readiness check: the URL must answer 200, to a client with
// the named certificate or (virt-api wants it so) with none.
func (c *Cluster) answers(certificate, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := c.pki.httpClient(certificate)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 500))
			return fmt.Errorf("%s answers %s: %s", url, response.Status, strings.TrimSpace(string(body)))
		}
		return nil
	}
}

func (c *Cluster) spec(name string, args ...string) proc.Spec {
	return proc.Spec{
		Name:  name,
		Path:  c.paths.binary(c.o.BinDir, name),
		Args:  args,
		Ports: []int{c.port[name]},
		// A kubelet would restart these; what holds state shows its end.
		Keep: name != build.Etcd && name != build.APIServer && name != build.SimBMC,
	}
}

func (c *Cluster) startEtcd(ctx context.Context) error {
	client := fmt.Sprintf("https://127.0.0.1:%d", c.port[build.Etcd])
	peer := fmt.Sprintf("https://127.0.0.1:%d", c.etcdPeer)
	cert, key, ca := c.pki.cert(etcdServing), c.pki.key(etcdServing), c.pki.caFile()
	spec := c.spec(build.Etcd,
		"--name=devcluster", "--data-dir="+c.paths.etcdData(), "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=devcluster="+peer,
		"--cert-file="+cert, "--key-file="+key, "--client-cert-auth", "--trusted-ca-file="+ca,
		"--peer-cert-file="+cert, "--peer-key-file="+key, "--peer-client-cert-auth", "--peer-trusted-ca-file="+ca,
		// Nothing is kept over a restart of the machine.
		"--unsafe-no-fsync",
	)
	spec.Ports = append(spec.Ports, c.etcdPeer)
	spec.Ready = c.answers(etcdUser, client+"/health")
	return c.sup.Start(ctx, spec)
}

func (c *Cluster) startAPIServer(ctx context.Context) error {
	t := c.o.timings()
	spec := c.spec(build.APIServer,
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", c.port[build.Etcd]),
		"--etcd-cafile="+c.pki.caFile(), "--etcd-certfile="+c.pki.cert(etcdUser), "--etcd-keyfile="+c.pki.key(etcdUser),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.port[build.APIServer]),
		"--tls-cert-file="+c.pki.cert(apiServing), "--tls-private-key-file="+c.pki.key(apiServing),
		"--client-ca-file="+c.pki.caFile(),
		"--authorization-mode=Node,RBAC", "--allow-privileged",
		"--service-account-key-file="+c.pki.cert(tokenKey), "--service-account-signing-key-file="+c.pki.key(tokenKey),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.96.0.0/16",
		// Loopback may not stand in Endpoints.
		"--endpoint-reconciler-type=none",
		"--requestheader-client-ca-file="+c.pki.caFile(), "--requestheader-allowed-names="+frontProxy,
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+c.pki.cert(frontProxy), "--proxy-client-key-file="+c.pki.key(frontProxy),
		"--audit-policy-file="+c.paths.auditPolicy(), "--audit-log-path="+c.paths.auditLog(),
		fmt.Sprintf("--default-not-ready-toleration-seconds=%d", t.tolerationSeconds),
		fmt.Sprintf("--default-unreachable-toleration-seconds=%d", t.tolerationSeconds),
	)
	spec.Ready = c.answers("", c.apiServerURL()+"/readyz")
	return c.sup.Start(ctx, spec)
}

func (c *Cluster) apiServerURL() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.port[build.APIServer])
}

func (c *Cluster) startControllerManager(ctx context.Context) error {
	t := c.o.timings()
	kubeconfig := c.paths.kubeconfig(build.ControllerManager)
	spec := c.spec(build.ControllerManager,
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.port[build.ControllerManager]),
		"--tls-cert-file="+c.pki.cert(metricsCert), "--tls-private-key-file="+c.pki.key(metricsCert),
		"--use-service-account-credentials", "--service-account-private-key-file="+c.pki.key(tokenKey),
		"--root-ca-file="+c.pki.caFile(),
		"--leader-elect=false", "--allocate-node-cidrs=false",
		"--node-monitor-grace-period="+t.monitorGrace.String(), "--node-monitor-period="+t.monitorPeriod.String(),
		"--kube-api-qps=200", "--kube-api-burst=400",
	)
	spec.Ready = c.answers("", fmt.Sprintf("https://127.0.0.1:%d/healthz", c.port[build.ControllerManager]))
	return c.sup.Start(ctx, spec)
}
