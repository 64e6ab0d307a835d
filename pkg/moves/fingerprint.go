// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package moves

import (
	"hash/maphash"
	"strconv"

	fwk "k8s.io/kube-scheduler/framework"
)

var seed = maphash.MakeSeed()

// fingerprint differs, almost surely, when something about a host differs that may help a pod to fit: its identity, labels, taints, what it can
// allocate, and the pods on it. Heartbeats and conditions do not count: with them a host never stays as it is for longer than a minute or two,
// which is why a NodeInfo's generation is no measure.
func fingerprint(host fwk.NodeInfo) (sum uint64) {
	add := func(parts ...string) {
		var h maphash.Hash
		h.SetSeed(seed)
		for _, part := range parts {
			h.WriteString(part)
			h.WriteByte(0)
		}
		sum += h.Sum64() // in any order
	}
	node := host.Node()
	add("node", string(node.UID), strconv.FormatBool(node.Spec.Unschedulable))
	for key, value := range node.Labels {
		add("label", key, value)
	}
	for _, taint := range node.Spec.Taints {
		add("taint", taint.Key, taint.Value, string(taint.Effect))
	}
	for name, quantity := range node.Status.Allocatable {
		add("allocatable", string(name), quantity.String())
	}
	for _, pod := range host.GetPods() {
		add("pod", string(pod.GetPod().UID))
	}
	return sum
}
