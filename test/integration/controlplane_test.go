// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2/ktesting"
	apiservertesting "k8s.io/kubernetes/cmd/kube-apiserver/app/testing"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/test/integration/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/plugins"
)

const (
	root      = "../.."
	patience  = 60 * time.Second // for what takes a moment unless something is broken
	account   = "system:serviceaccount:virt-scheduler-system:virt-scheduler"
	namespace = "default"
)

// controlPlane is an API server, and clients of its administrator.
type controlPlane struct {
	client  kubernetes.Interface
	dynamic dynamic.Interface
	config  *rest.Config
}

// startControlPlane starts etcd and an API server that authorizes by RBAC only.
func startControlPlane(t *testing.T) *controlPlane {
	t.Helper()
	useEtcd(t)
	logger, _ := ktesting.NewTestContext(t)
	url, stopEtcd, err := framework.RunCustomEtcd(logger, "virt-scheduler-integration", []string{"--unsafe-no-fsync"})
	if err != nil {
		t.Fatalf("starting etcd: %v", err)
	}
	t.Cleanup(stopEtcd)
	storage := storagebackend.NewDefaultConfig("registry", nil)
	storage.Transport.ServerList = []string{url}
	// No controllers run here that would make service accounts, or take the taints away that new nodes get.
	server := apiservertesting.StartTestServerOrDie(t, nil, []string{
		"--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
	}, storage)
	t.Cleanup(server.TearDownFn)
	config := rest.CopyConfig(server.ClientConfig)
	config.QPS, config.Burst = -1, 0
	return &controlPlane{
		client:  kubernetes.NewForConfigOrDie(config),
		dynamic: dynamic.NewForConfigOrDie(config),
		config:  config,
	}
}

// useEtcd puts the etcd of the project into PATH, where upstream's test framework looks for it.
func useEtcd(t *testing.T) {
	t.Helper()
	etcd := os.Getenv("VIRT_SCHEDULER_ETCD")
	if etcd == "" {
		etcd = filepath.Join(root, "_output", "bin", "etcd")
	}
	etcd, err := filepath.Abs(etcd)
	if err == nil {
		_, err = os.Stat(etcd)
	}
	if err != nil {
		t.Fatalf("this test needs etcd: %v; `make test-integration` builds it, or let VIRT_SCHEDULER_ETCD name one", err)
	}
	dir := t.TempDir()
	if err := os.Symlink(etcd, filepath.Join(dir, "etcd")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// applyBase creates what the scheduler needs of manifests/base.
func (c *controlPlane) applyBase(t *testing.T) {
	t.Helper()
	c.apply(t, "manifests/base/00-namespace.yaml")
	c.apply(t, "manifests/base/rbac-scheduler.yaml")
}

// apply creates the objects of a manifest of the repository.
func (c *controlPlane) apply(t *testing.T, manifest string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, manifest))
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]schema.GroupVersionResource{
		"Namespace":          {Version: "v1", Resource: "namespaces"},
		"ServiceAccount":     {Version: "v1", Resource: "serviceaccounts"},
		"ClusterRole":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
		"ClusterRoleBinding": {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
		"Role":               {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
		"RoleBinding":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", manifest, err)
		}
		resource, ok := resources[object.GetKind()]
		if !ok {
			t.Fatalf("%s: no resource known for kind %q", manifest, object.GetKind())
		}
		if _, err := c.dynamic.Resource(resource).Namespace(object.GetNamespace()).Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatalf("%s: creating %s %s: %v", manifest, object.GetKind(), object.GetName(), err)
		}
	}
}

// kubeconfig writes a kubeconfig for the scheduler's own account.
func (c *controlPlane) kubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		CurrentContext: "test",
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		Clusters: map[string]*clientcmdapi.Cluster{"test": {
			Server: c.config.Host, CertificateAuthority: c.config.CAFile, CertificateAuthorityData: c.config.CAData, TLSServerName: c.config.ServerName,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"test": {
			Token: c.config.BearerToken, Impersonate: account,
			ImpersonateGroups: []string{"system:serviceaccounts", "system:serviceaccounts:virt-scheduler-system", "system:authenticated"},
		}},
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// otherProfiles are not ours: kube-scheduler's default, and OpenShift's HighNodeUtilization (openshift/cluster-kube-scheduler-operator,
// defaultconfig-postbootstrap-highnodeutilization.yaml).
const otherProfiles = `
  - schedulerName: stock
  - schedulerName: openshift-high-node-utilization
    pluginConfig:
      - name: NodeResourcesFit
        args:
          scoringStrategy:
            type: MostAllocated
    plugins:
      score:
        disabled:
          - name: NodeResourcesBalancedAllocation
        enabled:
          - name: NodeResourcesFit
            weight: 5
`

// startScheduler starts the scheduler as the command does, with the configuration that the project ships, under its
// own account, and with otherProfiles beside ours.
func (c *controlPlane) startScheduler(t *testing.T) {
	t.Helper()
	c.startSchedulerWith(t, plugins.NewRegistry())
}

func (c *controlPlane) startSchedulerWith(t *testing.T, registry frameworkruntime.Registry) {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	c.startSchedulerIn(ctx, t, registry)
}

// startSchedulerIn lets the scheduler log to where ctx says.
func (c *controlPlane) startSchedulerIn(ctx context.Context, t *testing.T, registry frameworkruntime.Registry) {
	t.Helper()
	shipped, err := os.ReadFile(filepath.Join(root, "manifests/profiles/kubescheduler-config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := c.kubeconfig(t)
	config := string(shipped) + otherProfiles + "clientConnection:\n  kubeconfig: " + kubeconfig + "\n"
	opts := options.NewOptions()
	opts.ConfigFile = filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(opts.ConfigFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	opts.SecureServing.BindPort = 0
	opts.Authentication.RemoteKubeConfigFile = kubeconfig
	opts.Authorization.RemoteKubeConfigFile = kubeconfig
	var withPlugins []app.Option
	for name, factory := range registry {
		withPlugins = append(withPlugins, app.WithPlugin(name, factory))
	}
	ctx, cancel := context.WithCancel(ctx)
	completed, sched, err := app.Setup(ctx, opts, withPlugins...)
	if err != nil {
		cancel()
		t.Fatalf("setting the scheduler up: %v", err)
	}
	completed.EventBroadcaster.StartRecordingToSink(ctx.Done())
	completed.InformerFactory.Start(ctx.Done())
	completed.DynInformerFactory.Start(ctx.Done())
	completed.InformerFactory.WaitForCacheSync(ctx.Done())
	if err := sched.WaitForHandlersSync(ctx); err != nil {
		t.Fatalf("waiting for the scheduler's caches: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sched.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Errorf("the scheduler did not end within %s", patience)
		}
		completed.EventBroadcaster.Shutdown()
	})
}

func eventually(t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
