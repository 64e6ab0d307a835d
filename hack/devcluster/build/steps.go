// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
)

// Step builds one binary.
type Step struct {
	// Binary is the file name below the output directory.
	Binary string
	// Module is the directory of the Go module, relative to the repository.
	Module string
	// Package is what is built.
	Package string
	// Stamp names a module of the build list whose version is linked into these
	// variables; a program built from the module cache doesn't know its version.
	Stamp string
	Vars  func(version string) map[string]string
	// Pinned says that nothing but the module's go.mod and go.sum (and the
	// toolchain) decides what comes out.
	Pinned bool
}

// Names of the binaries.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	KWOK              = "kwok"
	KubeVirtInstall   = "kubevirt-install"
	VirtAPI           = "virt-api"
	VirtController    = "virt-controller"
	SimBMC            = "sim-bmc"
	SimVirtHandler    = "sim-virt-handler"
	SimKubelet        = "sim-kubelet"
	SimCSI            = "sim-csi"
	VirtScheduler     = "virt-scheduler"
	FailureWatcher    = "failure-watcher"
)

// Steps returns all builds in their order: those that rarely change first.
func Steps() []Step {
	own := func(binary, dir string) Step {
		return Step{Binary: binary, Module: ".", Package: "./" + dir + "/" + binary}
	}
	kubernetes := func(binary string) Step {
		return Step{
			Binary: binary, Module: ".", Package: "k8s.io/kubernetes/cmd/" + binary, Pinned: true,
			Stamp: "k8s.io/kubernetes", Vars: kubernetesVersion,
		}
	}
	kubeVirt := func(binary string) Step {
		return Step{
			Binary: binary, Module: "hack/kubevirt", Package: "kubevirt.io/kubevirt/cmd/" + binary, Pinned: true,
			Stamp: "kubevirt.io/kubevirt", Vars: kubeVirtVersion,
		}
	}
	return []Step{
		{Binary: Etcd, Module: ".", Package: "go.etcd.io/etcd/server/v3", Pinned: true},
		kubernetes(APIServer),
		kubernetes(ControllerManager),
		{Binary: KWOK, Module: "hack/kwok", Package: "sigs.k8s.io/kwok/cmd/kwok", Pinned: true},
		kubeVirt(VirtAPI),
		kubeVirt(VirtController),
		{Binary: KubeVirtInstall, Module: "hack/kubevirt", Package: "./kubevirt-install"},
		own(SimBMC, "hack/devcluster/cmd"),
		own(SimVirtHandler, "hack/devcluster/cmd"),
		own(SimKubelet, "hack/devcluster/cmd"),
		own(SimCSI, "hack/devcluster/cmd"),
		own(VirtScheduler, "cmd"),
		own(FailureWatcher, "cmd"),
	}
}

// kubernetesVersion returns the linker variables that make a Kubernetes binary
// tell its version: clients refuse what calls itself v0.0.0.
func kubernetesVersion(version string) map[string]string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	vars := map[string]string{"gitVersion": version, "gitTreeState": "archive"}
	if len(parts) == 3 {
		vars["gitMajor"], vars["gitMinor"] = parts[0], parts[1]
	}
	out := prefixed("k8s.io/component-base/version", vars)
	maps.Copy(out, prefixed("k8s.io/client-go/pkg/version", vars)) // user agents
	return out
}

func kubeVirtVersion(version string) map[string]string {
	return prefixed("kubevirt.io/client-go/version", map[string]string{"gitVersion": version, "gitTreeState": "archive"})
}

func prefixed(pkg string, vars map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range vars {
		out[pkg+"."+name] = value
	}
	return out
}

// logPath returns where the output of a step's build goes.
func (s Step) logPath(output string) string {
	return filepath.Join(output, "log", fmt.Sprintf("build-%s.log", s.Binary))
}
