// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"math/rand"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
)

// groupLabel is what an owner puts on VMs that belong together.
const groupLabel = "app.kubernetes.io/instance"

// grouped makes VMs in groups of a size, whose pods wish something of the others of their group. Every other pod has the
// term by which KubeVirt keeps a migration's target off its source: it stays for the life of the VM.
func grouped(size int, wish func(*corev1.Affinity, corev1.PodAffinityTerm)) workload {
	return func(series string, index int, random *rand.Rand) arrival {
		return member(vm(series, index, random), groupOf(series, index/size), index, wish)
	}
}

// The series of those that are there before, and how many of them, in every scenario, are in groups that others join.
const (
	residentSeries = "there"
	joined         = 2_000
)

// joining is grouped, but those who come join groups that are there. Every other one is the target of a migration: the VM is there, too.
func joining(size int, wish func(*corev1.Affinity, corev1.PodAffinityTerm)) workload {
	there := grouped(size, wish)
	return func(series string, index int, random *rand.Rand) arrival {
		if series == residentSeries {
			return there(series, index, random)
		}
		if index%2 == 0 {
			return member(vm(series, index, random), groupOf(residentSeries, index%(joined/size)), index, wish)
		}
		a := there(residentSeries, (index*disturbed+disturbed/2)%joined, random)
		return arrival{pod: target(a.pod, nameOf(series, index))}
	}
}

// target makes a VM's launcher pod the target of a migration.
func target(launcher *corev1.Pod, name string) *corev1.Pod {
	pod := launcher.DeepCopy()
	pod.Name, pod.UID = name, types.UID("pod-"+name)
	pod.CreationTimestamp = metav1.Time{Time: pod.CreationTimestamp.Add(time.Minute)}
	uid := pod.Labels[kubevirtv1.CreatedByLabel]
	if pod.Labels[kubevirtv1.MigrationJobLabel] == "" {
		keepOffItself(pod, uid)
	}
	pod.Labels[kubevirtv1.MigrationJobLabel] = "job-" + name
	return pod
}

func groupOf(series string, number int) string { return fmt.Sprintf("%s-group-%d", series, number) }

// member makes a VM one of a group.
func member(a arrival, group string, index int, wish func(*corev1.Affinity, corev1.PodAffinityTerm)) arrival {
	a.vmi.Labels = map[string]string{groupLabel: group}
	maps.Copy(a.pod.Labels, map[string]string{
		groupLabel: group, "app.kubernetes.io/name": "database", "app.kubernetes.io/part-of": "shop", "environment": "production", "kubevirt.io/nodeName": "",
		"kubevirt.io/size": "medium", "tier": fmt.Sprint("tier-", index%5), "team": fmt.Sprint("team-", index%40),
	})
	wish(a.pod.Spec.Affinity, corev1.PodAffinityTerm{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{groupLabel: group}}})
	if index%2 == 0 {
		a.pod.Labels[kubevirtv1.MigrationJobLabel] = "job-" + string(a.vmi.UID)
		keepOffItself(a.pod, string(a.vmi.UID))
	}
	return a
}

// keepOffItself adds the term by which KubeVirt keeps a target off its source.
func keepOffItself(pod *corev1.Pod, vmi string) {
	anti := antiAffinity(pod.Spec.Affinity)
	anti.RequiredDuringSchedulingIgnoredDuringExecution = append(anti.RequiredDuringSchedulingIgnoredDuringExecution, corev1.PodAffinityTerm{
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{kubevirtv1.CreatedByLabel: vmi}},
		TopologyKey:   corev1.LabelHostname,
	})
}

func antiAffinity(a *corev1.Affinity) *corev1.PodAntiAffinity {
	if a.PodAntiAffinity == nil {
		a.PodAntiAffinity = &corev1.PodAntiAffinity{}
	}
	return a.PodAntiAffinity
}

// apart requires another value of the key than the group's others have.
func apart(topologyKey string) func(*corev1.Affinity, corev1.PodAffinityTerm) {
	return func(a *corev1.Affinity, term corev1.PodAffinityTerm) {
		term.TopologyKey = topologyKey
		antiAffinity(a).RequiredDuringSchedulingIgnoredDuringExecution = []corev1.PodAffinityTerm{term}
	}
}

// together requires the value of the key that the group's others have.
func together(topologyKey string) func(*corev1.Affinity, corev1.PodAffinityTerm) {
	return func(a *corev1.Affinity, term corev1.PodAffinityTerm) {
		term.TopologyKey = topologyKey
		a.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}
	}
}

// prefer prefers the value of the key that the group's others have.
func prefer(topologyKey string) func(*corev1.Affinity, corev1.PodAffinityTerm) {
	return func(a *corev1.Affinity, term corev1.PodAffinityTerm) {
		term.TopologyKey = topologyKey
		a.PodAffinity = &corev1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 50, PodAffinityTerm: term}}}
	}
}
