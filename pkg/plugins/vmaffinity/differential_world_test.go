// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package vmaffinity

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/virt-scheduler/virt-scheduler/pkg/apis/config"
)

// population says which pods there are.
type population int

const (
	// noVMs: pods alone.
	noVMs population = iota
	// settledVMs: also VMs, none of which has two launchers.
	settledVMs
	// movingVMs: also VMs with two launchers, and the pod that is to be placed is no VM.
	movingVMs
)

// world is a cluster that changes, as a scheduler's informers tell.
type world struct {
	*twins
	population population
	moulds     []*corev1.Pod
	nodes      []*corev1.Node
	pods       []*corev1.Pod // those that the cache has
	assumed    map[types.UID]bool
	made       int
}

func anyWorld(t *rapid.T, p population) *world {
	weight := int32(below(t, 101, "hard weight"))
	ignore := once(t, 5, "ignore preferred terms")
	args := &config.VMAffinityArgs{
		HardPodAffinityWeight: weight, IgnorePreferredTermsOfExistingPods: ignore,
		RequiredAffinityDuringMigration: config.AffinityPreferredOnEvacuation,
	}
	w := &world{twins: newTwins(t.Context(), t, args), population: p, assumed: map[types.UID]bool{}}
	for i := range namespaceNames {
		if !once(t, 6, "unknown namespace") {
			w.setNamespace(t, i)
		}
	}
	for range 1 + below(t, 12, "nodes") {
		w.addNode(t)
	}
	for i := range 1 + below(t, 6, "moulds") {
		w.moulds = append(w.moulds, anyPod(t, fmt.Sprintf("mould-%d", i)))
	}
	for range below(t, 24, "pods") {
		w.place(t)
	}
	switch below(t, 10, "more pods") {
	case 8:
		w.manyTerms(t)
	case 9:
		w.crowd(t)
	}
	return w
}

// crowd adds so many pods that the index counts those of a label, and does not look at each.
func (w *world) crowd(t *rapid.T) {
	mould := oneOf(t, w.moulds, "mould")
	for i := range 66 + below(t, 8, "more") {
		w.made++
		w.add(t, podBuilder{cast(mould, w.made)}.On(w.nodes[i%len(w.nodes)].Name).Obj())
	}
}

// manyTerms adds pods that all have something against, or for, the same others, each in words of its own.
func (w *world) manyTerms(t *rapid.T) {
	mould := cast(oneOf(t, w.moulds, "mould"), 0)
	mould.Spec.Affinity = nil
	kind, key := below(t, 4, "kind"), oneOf(t, []string{zone, hostname}, "topology key")
	for i := range 9 + below(t, 4, "terms") {
		w.made++
		b := podBuilder{cast(mould, w.made)}
		term := term(key, fmt.Sprintf("app in (a,b,value-%d)", i))
		switch kind {
		case 0:
			b = b.Anti(term)
		case 1:
			b = b.Near(term)
		case 2:
			b = b.PrefersNear(int32(1+i), term)
		default:
			b = b.PrefersAnti(int32(1+i), term)
		}
		w.add(t, b.On(w.nodes[i%len(w.nodes)].Name).Obj())
	}
}

func (w *world) add(t *rapid.T, pod *corev1.Pod) {
	noError(t, w.cache.AddPod(w.logger, pod))
	w.pods = append(w.pods, pod)
}

func (w *world) setNamespace(t *rapid.T, i int) {
	known := anyLabels(t, keysOfNamespaces, namespaceLabels)
	known[corev1.LabelMetadataName] = namespaceNames[i]
	noError(t, w.namespaces.Update(makeNamespace(namespaceNames[i], known)))
}

func (w *world) addNode(t *rapid.T) {
	w.made++
	node := anyNode(t, fmt.Sprintf("node-%d", w.made))
	w.cache.AddNode(w.logger, node)
	w.nodes = append(w.nodes, node)
}

// newPod makes a pod that is on no node, and in no cache. A VM among them has no launcher yet.
func (w *world) newPod(t *rapid.T) *corev1.Pod {
	w.made++
	pod := cast(oneOf(t, w.moulds, "mould"), w.made)
	if w.population == noVMs {
		return pod
	}
	switch below(t, 8, "VM") {
	case 0, 1, 2:
	case 3: // one that is labelled as a VM's, and holds no guest
		pod.Labels[kubevirtv1.CreatedByLabel] = w.someVM(t)
		pod.Labels[kubevirtv1.AppLabel] = "hotplug-disk"
		if once(t, 2, "with KubeVirt's term") {
			w.addOwnTerm(t, pod)
		}
	default:
		w.makeLauncher(t, pod, fmt.Sprintf("vm-%d", w.made))
	}
	return pod
}

func (w *world) makeLauncher(t *rapid.T, pod *corev1.Pod, vm string) {
	pod.Labels[kubevirtv1.AppLabel] = "virt-launcher"
	pod.Labels[kubevirtv1.CreatedByLabel] = vm
	pod.Labels[kubevirtv1.VirtualMachineInstanceIDLabel] = vm
	pod.Annotations = map[string]string{kubevirtv1.DomainAnnotation: vm}
	if once(t, 2, "was migrated") {
		pod.Labels[kubevirtv1.MigrationJobLabel] = "job-" + vm
		pod.Annotations[kubevirtv1.MigrationJobNameAnnotation] = "job-" + vm
		w.addOwnTerm(t, pod)
	}
}

// addOwnTerm adds the required anti-affinity that KubeVirt gives a migration target, or now and then one that is only alike.
func (w *world) addOwnTerm(t *rapid.T, pod *corev1.Pod) {
	own := termBuilder{corev1.PodAffinityTerm{TopologyKey: hostname, LabelSelector: &metav1.LabelSelector{
		MatchLabels: map[string]string{kubevirtv1.CreatedByLabel: pod.Labels[kubevirtv1.CreatedByLabel]},
	}}}
	switch below(t, 14, "alike") {
	case 7:
		own.term.TopologyKey = zone
	case 8:
		own.term.LabelSelector.MatchLabels[kubevirtv1.CreatedByLabel] = w.someVM(t)
	case 9:
		own.term.LabelSelector.MatchLabels["app"] = "a"
	case 10:
		own.term.Namespaces = []string{oneOf(t, namespaceNames, "namespace")}
	case 11:
		own.term.NamespaceSelector = &metav1.LabelSelector{}
	case 12:
		own.term.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: kubevirtv1.CreatedByLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{pod.Labels[kubevirtv1.CreatedByLabel]},
		}}}
	case 13:
		own.term.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: kubevirtv1.CreatedByLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{pod.Labels[kubevirtv1.CreatedByLabel], w.someVM(t)},
		}}}
	}
	podBuilder{pod}.Anti(own)
}

// someVM draws one that has a launcher.
func (w *world) someVM(t *rapid.T) string {
	var vms []string
	for _, pod := range w.pods {
		if pod.Labels[kubevirtv1.AppLabel] == "virt-launcher" {
			vms = append(vms, pod.Labels[kubevirtv1.CreatedByLabel])
		}
	}
	if len(vms) == 0 {
		return "nobody"
	}
	return oneOf(t, vms, "whose")
}

// incoming makes the pod that is to be placed.
func (w *world) incoming(t *rapid.T) *corev1.Pod {
	pod := w.newPod(t)
	if w.population == movingVMs && pod.Labels[kubevirtv1.AppLabel] == "virt-launcher" {
		delete(pod.Labels, kubevirtv1.AppLabel)
	}
	return pod
}

func (w *world) place(t *rapid.T) {
	pod := w.newPod(t)
	if w.population == movingVMs && once(t, 3, "migrates") {
		if vm := w.someVM(t); vm != "nobody" {
			w.makeLauncher(t, pod, vm)
		}
	}
	if len(w.nodes) == 0 {
		return
	}
	pod.Spec.NodeName = oneOf(t, w.nodes, "on").Name
	if once(t, 6, "ending") {
		pod.DeletionTimestamp = &metav1.Time{Time: pod.CreationTimestamp.Time}
	}
	if !once(t, 4, "assumed") {
		w.add(t, pod)
		return
	}
	noError(t, w.cache.AssumePod(w.logger, pod))
	w.assumed[pod.UID] = true
	w.pods = append(w.pods, pod)
}

// change makes one change to the cluster.
func (w *world) change(t *rapid.T) {
	switch below(t, 12, "change") {
	case 0, 1, 2:
		w.place(t)
	case 3, 4:
		w.removePod(t)
	case 5, 6:
		w.updatePod(t)
	case 7:
		w.relabelNode(t)
	case 8:
		if len(w.nodes) < 12 {
			w.addNode(t)
		}
	case 9:
		w.removeNode(t)
	case 10:
		w.setNamespace(t, below(t, len(namespaceNames), "namespace"))
	default:
		name := oneOf(t, namespaceNames, "namespace")
		noError(t, w.namespaces.Delete(makeNamespace(name, nil)))
	}
}

func (w *world) removePod(t *rapid.T) {
	if len(w.pods) == 0 {
		return
	}
	i := below(t, len(w.pods), "pod")
	pod := w.pods[i]
	if w.assumed[pod.UID] {
		noError(t, w.cache.ForgetPod(w.logger, pod))
		delete(w.assumed, pod.UID)
	} else {
		noError(t, w.cache.RemovePod(w.logger, pod))
	}
	w.pods = slices.Delete(w.pods, i, i+1)
}

// updatePod changes labels, which the terms of the pod do not follow, or lets it end, or be bound.
func (w *world) updatePod(t *rapid.T) {
	if len(w.pods) == 0 {
		return
	}
	i := below(t, len(w.pods), "pod")
	before, after := w.pods[i], w.pods[i].DeepCopy()
	if w.assumed[before.UID] {
		noError(t, w.cache.AddPod(w.logger, after))
		delete(w.assumed, before.UID)
		w.pods[i] = after
		return
	}
	if once(t, 4, "ends") {
		after.DeletionTimestamp = &metav1.Time{Time: after.CreationTimestamp.Time}
	} else {
		key := oneOf(t, keysOfPods, "key")
		after.Labels[key] = oneOf(t, podLabels[key], "value")
		if after.Labels[key] == absent {
			delete(after.Labels, key)
		}
	}
	noError(t, w.cache.UpdatePod(w.logger, before, after))
	w.pods[i] = after
}

func (w *world) relabelNode(t *rapid.T) {
	if len(w.nodes) == 0 {
		return
	}
	i := below(t, len(w.nodes), "node")
	after := anyNode(t, w.nodes[i].Name)
	w.cache.UpdateNode(w.logger, w.nodes[i], after)
	w.nodes[i] = after
}

// removeNode leaves the node's pods in the cache, as informers do for a while.
func (w *world) removeNode(t *rapid.T) {
	if len(w.nodes) == 0 {
		return
	}
	i := below(t, len(w.nodes), "node")
	noError(t, w.cache.RemoveNode(w.logger, w.nodes[i]))
	w.nodes = slices.Delete(w.nodes, i, i+1)
}

// drawMoves draws what preemption and nominated pods do: pods go, some come back, and others come.
func (w *world) drawMoves(t *rapid.T, hosts []fwk.NodeInfo) [][]move {
	var there []move
	for i := range hosts {
		for _, pod := range hosts[i].GetPods() {
			there = append(there, move{pod: pod, host: i, gone: true})
		}
	}
	lists := make([][]move, below(t, 3, "lists of moves"))
	for i := range lists {
		there, gone := slices.Clone(there), []move(nil)
		for range 1 + below(t, 5, "moves") {
			var next move
			switch kind := below(t, 5, "move"); {
			case kind < 3 && len(there) > 0:
				next, there = take(t, there, "who goes")
				gone = append(gone, next)
			case kind == 3 && len(gone) > 0:
				next, gone = take(t, gone, "who comes back")
				next.gone = false
			default:
				next.host = below(t, len(hosts), "host")
				pod := w.newPod(t)
				pod.Spec.NodeName = hosts[next.host].Node().Name
				next.pod = infoOf(pod)
			}
			next.copy = once(t, 2, "on a copy")
			lists[i] = append(lists[i], next)
		}
	}
	return lists
}

func take(t *rapid.T, from []move, what string) (taken move, left []move) {
	i := below(t, len(from), what)
	taken = from[i]
	return taken, slices.Delete(from, i, i+1)
}
