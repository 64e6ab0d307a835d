// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package clusterview

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/virt-scheduler/virt-scheduler/pkg/adapt"
	"github.com/virt-scheduler/virt-scheduler/pkg/model"
)

// dump is all that a view says, in a form that can be compared.
type dump struct {
	Hosts map[string]hostDump
	// Classes are the hosts of a class by its labels.
	Classes map[string][]string
	// Places are the hosts of a VM's launchers.
	Places   map[types.UID][]string
	GroupsBy map[string]bool
}

type hostDump struct {
	Class             string
	Here, Home        Load
	Others            Requests
	Inbound, Outbound int
	Failed            bool
}

func labelString(labels map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%s=%s,", key, labels[key])
	}
	return b.String()
}

func dumpOf(v *View, keys []string) dump {
	d := dump{Hosts: map[string]hostDump{}, Classes: map[string][]string{}, Places: map[types.UID][]string{}, GroupsBy: map[string]bool{}}
	for _, c := range v.Classes() {
		d.Classes[labelString(c.Labels)] = append(d.Classes[labelString(c.Labels)], c.Hosts...)
	}
	for name := range *v.byName.Load() {
		h, _ := v.HostNamed(name)
		d.Hosts[name] = dumpHost(v, h)
	}
	for uid, s := range v.places.first {
		d.Places[uid] = append(d.Places[uid], s.name)
	}
	for uid, more := range v.places.more {
		for _, s := range more {
			d.Places[uid] = append(d.Places[uid], s.name)
		}
	}
	for _, hosts := range d.Places {
		slices.Sort(hosts)
	}
	for _, key := range keys {
		d.GroupsBy[key] = v.GroupsBy(key)
	}
	return d
}

func dumpHost(v *View, h *Host) hostDump {
	d := hostDump{Class: "none", Here: h.Here, Home: h.Home, Others: h.Others, Inbound: h.Inbound, Outbound: h.Outbound, Failed: h.Failed}
	for _, c := range v.Classes() {
		if c.ID == h.Class {
			d.Class = labelString(c.Labels)
		}
	}
	return d
}

// oracle says what a view has to say of a list of hosts. It is written to be plainly right: it looks at everything,
// and shares with the view only the rules of pkg/model and pkg/adapt.
type oracle struct {
	list     []fwk.NodeInfo
	vms      VMs
	failures Failures
	selected map[string]bool
	limit    int
}

func (o oracle) dump(keys []string) dump {
	d := dump{Hosts: map[string]hostDump{}, Classes: map[string][]string{}, Places: map[types.UID][]string{}, GroupsBy: map[string]bool{}}
	launchers := o.launchers()
	for _, info := range o.list {
		name := info.Node().Name
		class := labelString(o.classOf(info.Node()))
		d.Hosts[name] = o.host(info, launchers)
		d.Classes[class] = append(d.Classes[class], name)
		slices.Sort(d.Classes[class])
	}
	for uid, all := range launchers {
		for _, l := range all {
			d.Places[uid] = append(d.Places[uid], l.host)
		}
		slices.Sort(d.Places[uid])
	}
	for _, key := range keys {
		d.GroupsBy[key] = o.groupsBy(key)
	}
	return d
}

type oracleLauncher struct {
	host string
	pod  *corev1.Pod
}

func (o oracle) launchers() map[types.UID][]oracleLauncher {
	all := map[types.UID][]oracleLauncher{}
	for _, info := range o.list {
		for _, p := range info.GetPods() {
			pod := p.GetPod()
			if uid, ok := adapt.VMOf(pod); ok && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				all[uid] = append(all[uid], oracleLauncher{info.Node().Name, pod})
			}
		}
	}
	return all
}

func (o oracle) size(uid types.UID, pod *corev1.Pod) model.Size {
	if m, ok := o.vms.VM(uid); ok {
		return m.Size
	}
	return adapt.SizeFromPod(pod, 10)
}

func (o oracle) host(info fwk.NodeInfo, launchers map[types.UID][]oracleLauncher) hostDump {
	name := info.Node().Name
	d := hostDump{Class: labelString(o.classOf(info.Node())), Failed: o.failures.Failed(name)}
	here, homes := newTally(), newTally()
	for uid, all := range launchers {
		at := homeOf(uid, all)
		migrating := o.migrating(uid, all, at)
		for _, l := range all {
			if l.host != name {
				continue
			}
			here.add(o.size(uid, l.pod))
			if l.pod == at {
				homes.add(o.size(uid, l.pod))
				if migrating {
					d.Inbound++
				}
			} else if migrating && l.pod.DeletionTimestamp == nil {
				d.Outbound++
			}
		}
	}
	d.Here, d.Home = here.load(), homes.load()
	memory := map[int64]int64{}
	for _, p := range info.GetPods() {
		pod := p.GetPod()
		_, isVM := adapt.VMOf(pod)
		if isVM || pod.Labels["kubevirt.io"] == "hotplug-disk" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for resourceName, quantity := range pod.Spec.Containers[0].Resources.Requests {
			switch {
			case resourceName == "cpu":
				d.Others.MilliCPU += quantity.MilliValue()
			case resourceName == "memory":
				memory[0] += quantity.Value()
			case strings.HasPrefix(string(resourceName), "hugepages-"):
				page := resource.MustParse(strings.TrimPrefix(string(resourceName), "hugepages-"))
				memory[page.Value()] += quantity.Value()
			}
		}
	}
	d.Others.Memory = memoryOf(memory)
	return d
}

func homeOf(uid types.UID, all []oracleLauncher) *corev1.Pod {
	var launchers []model.Launcher
	for _, l := range all {
		launchers = append(launchers, adapt.LauncherOf(l.pod, uid))
	}
	at := model.Home(launchers)
	for _, l := range all {
		if l.pod.UID == at {
			return l.pod
		}
	}
	return nil
}

// migrating is true when the VM is on its way from a launcher that stays to its home.
func (o oracle) migrating(uid types.UID, all []oracleLauncher, at *corev1.Pod) bool {
	job, isTarget := at.Labels["kubevirt.io/migrationJobUID"]
	if !isTarget {
		return false
	}
	if m, ok := o.vms.VM(uid); ok && m.Move.Ended && m.Move.Migration == types.UID(job) && job != "" {
		return false
	}
	for _, l := range all {
		if l.pod != at && l.pod.DeletionTimestamp == nil {
			return true
		}
	}
	return false
}

func (o oracle) candidate(key string) bool {
	switch {
	case key == "kubernetes.io/hostname":
		return false
	case o.selected[key] || key == "kubernetes.io/arch":
		return true
	case strings.Contains(key, "/tsc-"):
		return false
	}
	return strings.HasPrefix(key, "kubevirt.io/") || strings.Contains(key, ".node.kubevirt.io/")
}

func (o oracle) groupsBy(key string) bool {
	values := map[string]bool{}
	for _, info := range o.list {
		if value, ok := info.Node().Labels[key]; ok {
			values[value] = true
		}
	}
	return o.candidate(key) && len(values) <= o.limit
}

func (o oracle) classOf(node *corev1.Node) map[string]string {
	labels := map[string]string{}
	for key, value := range node.Labels {
		if o.groupsBy(key) {
			labels[key] = value
		}
	}
	return labels
}

type tally struct {
	vms               int
	shared, dedicated int64
	memory            map[int64]int64
}

func newTally() *tally { return &tally{memory: map[int64]int64{}} }

func (t *tally) add(size model.Size) {
	t.vms++
	if size.DedicatedCPUs {
		t.dedicated += size.VCPUs
	} else {
		t.shared += size.VCPUs
	}
	t.memory[size.PageSize] += size.Memory
}

func (t *tally) load() Load {
	return Load{VMs: t.vms, SharedVCPUs: t.shared, DedicatedVCPUs: t.dedicated, Memory: memoryOf(t.memory)}
}

func memoryOf(bytes map[int64]int64) Memory {
	var m Memory
	for _, size := range slices.Sorted(maps.Keys(bytes)) {
		if bytes[size] != 0 {
			m = append(m, Pages{Size: size, Bytes: bytes[size]})
		}
	}
	return m
}
