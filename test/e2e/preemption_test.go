// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// crowd is two hosts of 64 GiB on which no VM of 48 GiB has room, and could have: victim, of 30 GiB, is on the first, and the second has
// room for it beside filler, which is as important as who comes.
type crowd struct {
	*stage
	here, there string
	victim      types.UID // of its VMI
}

func newCrowd(t *testing.T, victim func(*vmBuilder) *vmBuilder) *crowd {
	t.Helper()
	s := suite.newStage(t, 2)
	c := &crowd{stage: s, here: s.nodes[0], there: s.nodes[1]}
	c.class("low", 1000)
	c.class("high", 2000)
	s.admit(c.here)
	s.create(victim(s.newVM("victim").Memory("30Gi").Priority(c.named("low"))))
	c.victim = s.awaitRunning("victim", 2*time.Minute, "").UID
	s.admit(c.there)
	s.create(s.newVM("filler").Memory("30Gi").Priority(c.named("high")).Node(c.there))
	s.awaitRunning("filler", 2*time.Minute, "")
	return c
}

func (c *crowd) named(class string) string { return c.ns + "-" + class }

// class makes a PriorityClass of the test's own.
func (c *crowd) class(name string, value int32) {
	c.t.Helper()
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: c.named(name)}, Value: value}
	c.must(c.client.Create(c.ctx, class))
}

// comes makes the VM for which there is no room.
func (c *crowd) comes(change func(*vmBuilder) *vmBuilder) {
	c.t.Helper()
	c.create(change(c.newVM("comes").Memory("48Gi").Priority(c.named("high"))))
}

func same(b *vmBuilder) *vmBuilder { return b }

func evicts(strategy kubevirtv1.EvictionStrategy) func(*vmBuilder) *vmBuilder {
	return func(b *vmBuilder) *vmBuilder { return b.EvictionStrategy(strategy) }
}

// killed returns what our scheduler deleted or evicted of the stage, by the audit log.
func (c *crowd) killed() (names []string) {
	c.t.Helper()
	for _, e := range c.audited(func(e *auditv1.Event) bool {
		return e.ObjectRef.Namespace == c.ns && e.User.Username == schedulerUser && (is(e, "delete", "pods") || is(e, "create", "pods/eviction"))
	}) {
		names = append(names, e.Verb+" "+e.ObjectRef.Name)
	}
	return names
}

// assertVictimLives checks that the guest is the same, wherever it is.
func (c *crowd) assertVictimLives(on string) {
	c.t.Helper()
	vmi, err := c.vmi("victim")
	c.must(err)
	if vmi == nil || vmi.UID != c.victim || vmi.Status.Phase != kubevirtv1.Running || vmi.Status.NodeName != on {
		c.t.Errorf("victim: %+v, want VMI %s, Running on %s", vmi, c.victim, on)
	}
	if guests := c.liveGuests("victim"); len(guests) != 1 || guests[0].Node != on {
		c.t.Errorf("victim's guests: %v, want one on %s", guests, on)
	}
	if killed := c.killed(); len(killed) > 0 {
		c.t.Errorf("our scheduler killed %v", killed)
	}
}

// TestPreemptionMoves: a VM of higher priority gets room, and the one that was in its way goes on elsewhere, whatever its eviction
// strategy; kube-scheduler's own profile shuts it down.
func TestPreemptionMoves(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*vmBuilder) *vmBuilder{
		"LiveMigrate":           evicts(kubevirtv1.EvictionStrategyLiveMigrate),
		"LiveMigrateIfPossible": evicts(kubevirtv1.EvictionStrategyLiveMigrateIfPossible),
		"no strategy":           same,
	}
	for name, victim := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, victim)
			c.comes(same)
			c.awaitMoved("victim", c.here)
			if got := c.awaitRunning("comes", 2*time.Minute, "").Status.NodeName; got != c.here {
				t.Errorf("who came runs on %s, want %s", got, c.here)
			}
			c.assertVictimLives(c.there)
		})
	}
	t.Run("stock kills", func(t *testing.T) {
		t.Parallel()
		c := newCrowd(t, func(b *vmBuilder) *vmBuilder {
			return b.EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate).Scheduler(stockProfile)
		})
		c.comes(func(b *vmBuilder) *vmBuilder { return b.Scheduler(stockProfile) })
		c.awaitRunning("comes", 3*time.Minute, "")
		if now, err := c.vmi("victim"); err != nil || now != nil && now.UID == c.victim && now.Status.Phase == kubevirtv1.Running {
			t.Errorf("victim: VMI %v, %v; want it shut down, or this test shows nothing", now, err)
		}
	})
}

// TestPreemptionSpares: who may not be moved stays, and who comes is told why it waits.
func TestPreemptionSpares(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*vmBuilder) *vmBuilder{
		"External": evicts(kubevirtv1.EvictionStrategyExternal),
		"annotated": func(b *vmBuilder) *vmBuilder {
			return b.EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate).Annotation("virt-scheduler.io/preemption", "Never")
		},
	}
	for name, victim := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, victim)
			c.comes(same)
			c.awaitUnschedulable("comes", "preemption")
			c.assertVictimLives(c.here)
		})
	}
}

// TestPreemptionFlip: an eviction strategy that becomes None after the move was planned makes no kill of it. The migration is held, so that
// the flip falls between.
func TestPreemptionFlip(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, func(b *vmBuilder) *vmBuilder {
		return b.EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate).Annotation(holdAnnotation, beforeSwitchOver)
	})
	c.comes(same)
	c.awaitHeld("victim", beforeSwitchOver, c.here, c.there)
	c.flip("victim")
	c.letGo("victim")
	c.awaitMoved("victim", c.here)
	c.awaitRunning("comes", 2*time.Minute, "")
	c.assertVictimLives(c.there)
}

// flip makes a VMI's eviction strategy None, as virt-controller: KubeVirt's webhook lets nobody else change a VMI.
func (c *crowd) flip(vm string) {
	c.t.Helper()
	config := rest.CopyConfig(c.AdminConfig())
	config.Impersonate.UserName = "system:serviceaccount:kubevirt:kubevirt-controller"
	asController, err := client.New(config, client.Options{Scheme: c.client.Scheme()})
	c.must(err)
	vmi := &kubevirtv1.VirtualMachineInstance{ObjectMeta: metav1.ObjectMeta{Namespace: c.ns, Name: vm}}
	c.must(asController.Patch(c.ctx, vmi, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"evictionStrategy":"None"}}`))))
	if s := vmi.Spec.EvictionStrategy; s == nil || *s != kubevirtv1.EvictionStrategyNone {
		c.t.Fatalf("the eviction strategy is %v, want None", s)
	}
}

// TestPreemptionMoveFails: a move that comes to nothing, here because it is aborted, leaves the VM where it is, and who came without a promise; it
// is not tried again at once.
func TestPreemptionMoveFails(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, func(b *vmBuilder) *vmBuilder {
		return b.EvictionStrategy(kubevirtv1.EvictionStrategyLiveMigrate).Annotation(holdAnnotation, beforeSwitchOver)
	})
	c.comes(same)
	c.awaitHeld("victim", beforeSwitchOver, c.here, c.there)
	c.deleteMigrations("victim")
	c.awaitNoNomination("comes")
	c.assertVictimLives(c.here)
}

// deleteMigrations aborts the migrations of a VM, as an administrator would.
func (c *crowd) deleteMigrations(vm string) {
	c.t.Helper()
	var list kubevirtv1.VirtualMachineInstanceMigrationList
	c.must(c.client.List(c.ctx, &list, client.InNamespace(c.ns)))
	for i := range list.Items {
		if list.Items[i].Spec.VMIName == vm {
			c.must(client.IgnoreNotFound(c.client.Delete(c.ctx, &list.Items[i])))
		}
	}
}

// awaitNoNomination waits until a VM's launcher pod waits without a node being promised.
func (c *crowd) awaitNoNomination(vm string) {
	c.t.Helper()
	c.await("the nomination of "+vm+" to be cleared", 2*time.Minute, func() (bool, string, error) {
		pods := c.launcherPods(vm)
		i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Status.NominatedNodeName == "" && p.Spec.NodeName == "" })
		return i >= 0, fmt.Sprint(len(pods), " launcher pods, none without a nomination"), nil
	})
}

// TestPreemptionWebhookDown: with the webhook for migrations not answering nothing is moved, nothing killed, and who came is tried again
// when it answers.
func TestPreemptionWebhookDown(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, evicts(kubevirtv1.EvictionStrategyLiveMigrate))
	hook := c.breakWebhook()
	c.comes(same)
	c.await("the refusal to be told", 2*time.Minute, func() (bool, string, error) {
		var events corev1.EventList
		if err := c.client.List(c.ctx, &events, client.InNamespace(c.ns)); err != nil {
			return false, "", err
		}
		var seen []string
		for _, e := range events.Items {
			if strings.Contains(e.Message, "webhook") && strings.Contains(e.InvolvedObject.Name, "comes") {
				return true, "", nil
			}
			seen = append(seen, e.Reason)
		}
		return false, strings.Join(seen, " "), nil
	})
	c.awaitNoNomination("comes")
	c.assertVictimLives(c.here)
	c.must(c.client.Delete(c.ctx, hook))
}

// breakWebhook makes every creation of a migration in the stage's namespace depend on a webhook that nobody serves.
func (c *crowd) breakWebhook() *admissionv1.ValidatingWebhookConfiguration {
	c.t.Helper()
	url := "https://127.0.0.1:1/nobody"
	fail, none, seconds := admissionv1.Fail, admissionv1.SideEffectClassNone, int32(2)
	hook := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: c.ns},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name:                    "down.e2e.virt-scheduler.io",
			ClientConfig:            admissionv1.WebhookClientConfig{URL: &url},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: c.ns}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			TimeoutSeconds:          &seconds,
			AdmissionReviewVersions: []string{"v1"},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule: admissionv1.Rule{
					APIGroups: []string{kubevirtv1.GroupVersion.Group}, APIVersions: []string{"*"}, Resources: []string{"virtualmachineinstancemigrations"},
				},
			}},
		}},
	}
	c.must(c.client.Create(c.ctx, hook))
	c.t.Cleanup(func() {
		_ = c.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(c.t.Context(), hook.Name, metav1.DeleteOptions{})
	})
	return hook
}
