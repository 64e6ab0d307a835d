// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/build"
	"github.com/virt-scheduler/virt-scheduler/hack/devcluster/certs"
)

// Names of certificates that are not those of a process's user.
const (
	adminUser   = "admin"
	frontProxy  = "front-proxy-client"
	apiServing  = "kube-apiserver"
	virtServing = "virt-api-serving"
	bmcServing  = "sim-bmc-serving"
	metricsCert = "virt-controller-serving"
	handlerCert = "virt-handler-client"
	tokenKey    = "service-account"
	etcdServing = "etcd-serving"
	etcdUser    = "etcd-client"
)

// users are the identities with a client certificate and a kubeconfig, by name
// of kubeconfig. KubeVirt's processes appear as the ServiceAccounts that they
// have in a real cluster, so that KubeVirt's RBAC and webhooks really apply.
func users() map[string][]string {
	kubeVirt := func(account string) []string {
		return []string{
			"system:serviceaccount:" + KubeVirtNamespace + ":" + account,
			"system:serviceaccounts", "system:serviceaccounts:" + KubeVirtNamespace,
		}
	}
	return map[string][]string{
		adminUser:               {"devcluster-admin", "system:masters"},
		build.ControllerManager: {"system:kube-controller-manager"},
		build.KWOK:              {"sim-kubelet:kwok", "system:masters"},
		build.VirtAPI:           kubeVirt("kubevirt-apiserver"),
		build.VirtController:    kubeVirt("kubevirt-controller"),
		// It impersonates each node's kubelet and virt-handler for what these write.
		build.SimVirtHandler: {"sim-virt-handler", "system:masters"},
		build.SimCSI:         {"sim-csi", "system:masters"},
		// It impersonates each node's kubelet.
		build.SimKubelet: {"sim-kubelet", "system:masters"},
	}
}

// pki is the cluster's certificates on disk, and its CA in memory.
type pki struct {
	dir string
	ca  *certs.CA
}

func newPKI(dir string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ca, err := certs.NewCA("virt-scheduler devcluster")
	if err != nil {
		return nil, err
	}
	p := &pki{dir: dir, ca: ca}
	if err := os.WriteFile(p.caFile(), ca.PEM(), 0o600); err != nil {
		return nil, err
	}
	kubernetes := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	for name, dnsNames := range map[string][]string{
		etcdServing: nil,
		apiServing:  kubernetes,
		virtServing: {"virt-api." + KubeVirtNamespace + ".svc"},
		bmcServing:  nil,
		metricsCert: nil,
	} {
		if err := p.write(name, func() (certs.Pair, error) { return ca.Server(name, dnsNames...) }); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{frontProxy, etcdUser, handlerCert} {
		if err := p.write(name, func() (certs.Pair, error) { return ca.Client(name) }); err != nil {
			return nil, err
		}
	}
	return p, p.write(tokenKey, certs.SigningKey)
}

func (p *pki) write(name string, make func() (certs.Pair, error)) error {
	pair, err := make()
	if err == nil {
		_, _, err = pair.Write(p.dir, name)
	}
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	return nil
}

func (p *pki) caFile() string          { return filepath.Join(p.dir, "ca.crt") }
func (p *pki) cert(name string) string { return filepath.Join(p.dir, name+".crt") }
func (p *pki) key(name string) string  { return filepath.Join(p.dir, name+".key") }

// httpClient returns a client that trusts the CA. It shows the named certificate,
// none when the name is empty.
func (p *pki) httpClient(name string) (*http.Client, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.ca.PEM())
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(p.cert(name), p.key(name))
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}, nil
}

// writeKubeconfigs makes a client certificate and a kubeconfig for each user.
func (p *pki) writeKubeconfigs(dir, server string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, identity := range users() {
		pair, err := p.ca.Client(identity[0], identity[1:]...)
		if err != nil {
			return err
		}
		auth := &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
		if err := writeKubeconfig(filepath.Join(dir, name), server, p.ca.PEM(), auth); err != nil {
			return err
		}
	}
	return nil
}

func writeKubeconfig(path, server string, ca []byte, auth *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["devcluster"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos["user"] = auth
	config.Contexts["devcluster"] = &clientcmdapi.Context{Cluster: "devcluster", AuthInfo: "user"}
	config.CurrentContext = "devcluster"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return nil
}

// loadConfig reads a kubeconfig for a client that is not held back: the cluster
// is the caller's own.
func loadConfig(path string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	config.QPS, config.Burst = 300, 600
	config.UserAgent = "devcluster"
	return config, nil
}
