// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubevirtv1 "kubevirt.io/api/core/v1"

	"github.com/virt-scheduler/virt-scheduler/test/perf/simapi"
)

// Sizes, in GiB, of what is on the hosts of a crowded cluster, and of who comes: there is room for the smallest of the former on many
// hosts, and for none of the latter, each of which needs the room of one to four of them.
var (
	residentSizes  = []int{32, 48, 64, 96, 128}
	preemptorSizes = []int{144, 176, 208, 256}
)

// The priorities of those that are there, and of those that come.
const (
	residentPriority  = 10
	preemptorPriority = 1000
)

// sized makes a VM, or a plain pod, of so much memory.
func sized(series string, index, size int, plain bool, random *rand.Rand) arrival {
	memory := *resource.NewQuantity(int64(size)<<30, resource.BinarySI)
	if plain {
		a := plainPod(series, index, random)
		a.pod.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = memory
		return a
	}
	a := vm(series, index, random)
	a.vmi.Spec.Domain.Memory.Guest = &memory
	strategy := kubevirtv1.EvictionStrategyLiveMigrate
	a.vmi.Spec.EvictionStrategy = &strategy
	a.pod.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = memory
	return a
}

// crowd puts hosts into the API, and on each as many residents, of sizes drawn at random, as have room until the next one drawn has none.
func crowd(api *simapi.API, profile string, nodes int, plain bool) {
	random := rand.New(rand.NewSource(seed))
	beat(api, nodes)
	index := 0
	for n := range nodes {
		free := hostMemory >> 30
		for {
			size := residentSizes[random.Intn(len(residentSizes))]
			if size > free {
				break
			}
			free -= size
			there := sized("there", index, size, plain, random)
			index++
			priority := int32(residentPriority)
			started := metav1.Unix(int64(index), 0)
			there.pod.Spec.Priority, there.pod.Spec.SchedulerName, there.pod.Spec.NodeName = &priority, profile, hostName(n)
			there.pod.Status.Phase, there.pod.Status.StartTime = corev1.PodRunning, &started
			if there.vmi != nil {
				there.vmi.Status.Phase, there.vmi.Status.NodeName = kubevirtv1.Running, hostName(n)
			}
			there.create(api)
		}
	}
}

// comer returns the index-th of those that come.
func comer(profile string, index int, plain bool) arrival {
	random := rand.New(rand.NewSource(seed + int64(index)))
	a := sized("comes", index, preemptorSizes[index%len(preemptorSizes)], plain, random)
	priority := int32(preemptorPriority)
	a.pod.Spec.Priority, a.pod.Spec.SchedulerName = &priority, profile
	a.pod.Name = fmt.Sprintf("%s-%s", a.pod.Name, profile)
	return a
}
