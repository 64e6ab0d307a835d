// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/proc"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/simhost"
	failurev1alpha1 "github.com/virt-scheduler/virt-scheduler/pkg/apis/failure/v1alpha1"
)

// Ports of failure-watcher are held under these names: it has two.
const (
	watcherHealth  = build.FailureWatcher
	watcherMetrics = build.FailureWatcher + "/metrics"
)

// tokenSeconds is the life of the ServiceAccounts' tokens. An embedded cluster
// is seldom a month old; a client that outlives its token says so.
const tokenSeconds = 30 * 24 * 3600

// applyManifests applies what an administrator would: our CRDs and base.
func (c *Cluster) applyManifests(ctx context.Context) error {
	crds, err := readManifests(filepath.Join(c.o.Root, "manifests/crds/*.yaml"))
	if err != nil {
		return err
	}
	if err := c.applier.applyAll(ctx, crds); err != nil {
		return err
	}
	if err := c.applier.awaitCRDs(ctx, crds); err != nil {
		return err
	}
	base, err := readManifests(filepath.Join(c.o.Root, "manifests/base/*.yaml"))
	if err != nil {
		return err
	}
	for _, object := range base { // one by one: the Namespace comes first
		if object.GetKind() == "Kustomization" {
			continue
		}
		if err := c.applier.apply(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// createBMCSecrets stores the BMCs' logins where the watcher looks for them.
func (c *Cluster) createBMCSecrets(ctx context.Context) error {
	logins, err := simhost.ReadCredentials(c.paths.bmcLogins())
	if err != nil {
		return err
	}
	for host, login := range logins {
		secret := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1",
			"kind":       "Secret",
			"metadata":   map[string]any{"name": BMCSecret(host), "namespace": SystemNamespace},
			"type":       string(corev1.SecretTypeBasicAuth),
			"stringData": map[string]any{"username": login.Username, "password": login.Password},
		}}
		if err := c.applier.apply(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}

// BMCSecret returns the name of the Secret with the login of a machine's BMC.
func BMCSecret(host string) string { return "bmc-" + host }

// writeTokenKubeconfig asks for a token of the ServiceAccount and writes a
// kubeconfig with it.
func (c *Cluster) writeTokenKubeconfig(ctx context.Context, account string) (string, error) {
	seconds := int64(tokenSeconds)
	token, err := c.client.CoreV1().ServiceAccounts(SystemNamespace).CreateToken(ctx, account,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of ServiceAccount %s/%s: %w", SystemNamespace, account, err)
	}
	if err := os.MkdirAll(filepath.Dir(c.paths.token(account)), 0o700); err != nil {
		return "", err
	}
	if err := proc.WriteFile(c.paths.token(account), []byte(token.Status.Token)); err != nil {
		return "", err
	}
	path := c.paths.kubeconfig(account)
	return path, writeKubeconfig(path, c.apiServerURL(), c.pki.ca.PEM(), &clientcmdapi.AuthInfo{TokenFile: c.paths.token(account)})
}

func (c *Cluster) startVirtScheduler(ctx context.Context) error {
	kubeconfig, err := c.writeTokenKubeconfig(ctx, build.VirtScheduler)
	if err != nil {
		return err
	}
	if err := c.writeSchedulerConfig(kubeconfig); err != nil {
		return err
	}
	port := c.port[build.VirtScheduler]
	spec := c.spec(build.VirtScheduler,
		"--config="+c.paths.schedulerConfig(), "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file="+c.pki.cert(metricsCert), "--tls-private-key-file="+c.pki.key(metricsCert), "-v=2",
	)
	spec.Ready = c.answers("", fmt.Sprintf("https://127.0.0.1:%d/readyz", port))
	return c.sup.Start(ctx, spec)
}

// writeSchedulerConfig writes the shipped configuration with the kubeconfig put in.
func (c *Cluster) writeSchedulerConfig(kubeconfig string) error {
	shipped := filepath.Join(c.o.Root, "manifests/profiles/kubescheduler-config.yaml")
	raw, err := os.ReadFile(shipped)
	if err != nil {
		return err
	}
	config := map[string]any{}
	if err := yaml.Unmarshal(raw, &config); err != nil {
		return fmt.Errorf("%s: %w", shipped, err)
	}
	if err := unstructured.SetNestedField(config, kubeconfig, "clientConnection", "kubeconfig"); err != nil {
		return fmt.Errorf("%s: %w", shipped, err)
	}
	if c.o.SchedulerConfig != nil {
		c.o.SchedulerConfig(config)
	}
	raw, err = yaml.Marshal(config)
	if err != nil {
		return err
	}
	return proc.WriteFile(c.paths.schedulerConfig(), raw)
}

func (c *Cluster) startFailureWatcher(ctx context.Context) error {
	kubeconfig, err := c.writeTokenKubeconfig(ctx, build.FailureWatcher)
	if err != nil {
		return err
	}
	config := c.DefaultWatcherConfig()
	if c.o.WatcherConfig != nil {
		c.o.WatcherConfig(config)
	}
	if err := c.WriteWatcherConfig(config); err != nil {
		return err
	}
	spec := c.spec(build.FailureWatcher, "--config="+c.paths.watcherConfig(), "--kubeconfig="+kubeconfig)
	spec.Ports = append(spec.Ports, c.port[watcherMetrics])
	spec.Ready = c.answers("", fmt.Sprintf("http://127.0.0.1:%d/readyz", c.port[watcherHealth]))
	return c.sup.Start(ctx, spec)
}

// DefaultWatcherConfig returns the watcher's configuration for this cluster: its
// own defaults, and the BMC of each node.
func (c *Cluster) DefaultWatcherConfig() *failurev1alpha1.FailureWatcherConfiguration {
	config := &failurev1alpha1.FailureWatcherConfiguration{
		TypeMeta:           metav1.TypeMeta{APIVersion: failurev1alpha1.GroupVersion.String(), Kind: "FailureWatcherConfiguration"},
		MetricsBindAddress: fmt.Sprintf("127.0.0.1:%d", c.port[watcherMetrics]),
		HealthBindAddress:  fmt.Sprintf("127.0.0.1:%d", c.port[watcherHealth]),
	}
	config.LeaderElection.Namespace = SystemNamespace
	for _, host := range c.o.Hosts {
		if !host.Spare {
			config.Fencing.Redfish = append(config.Fencing.Redfish, c.RedfishHost(host.Name, host))
		}
	}
	return config
}

// RedfishHost returns the entry that maps a node to the BMC of a machine, which
// need not be the node's own.
func (c *Cluster) RedfishHost(node string, machine simhost.Hardware) failurev1alpha1.RedfishHost {
	return failurev1alpha1.RedfishHost{
		NodeName:          node,
		Endpoint:          fmt.Sprintf("https://127.0.0.1:%d", machine.BMCPort),
		SystemID:          machine.SystemID,
		CredentialsSecret: BMCSecret(machine.Name),
		CAFile:            c.pki.caFile(),
	}
}

// WriteWatcherConfig replaces the watcher's configuration file. The watcher
// reads it when it starts.
func (c *Cluster) WriteWatcherConfig(config *failurev1alpha1.FailureWatcherConfiguration) error {
	raw, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	return proc.WriteFile(c.paths.watcherConfig(), raw)
}
