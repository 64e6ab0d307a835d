// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/virt-scheduler/virt-scheduler/test/quality/profiles"
	"github.com/virt-scheduler/virt-scheduler/test/quality/report"
)

// compare runs the command's comparison; config is the configuration that the project ships.
func compare(t *testing.T, args ...string) *report.Report {
	t.Helper()
	o, err := Parse(append(args, "--config", "../../../manifests/profiles/kubescheduler-config.yaml"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compare(t.Context(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteText(t.Output()); err != nil {
		t.Fatal(err)
	}
	return r
}

func profile(t *testing.T, r *report.Report, name string) report.Profile {
	t.Helper()
	p, ok := r.Profile(name)
	if !ok {
		t.Fatalf("profile %s is not in the report", name)
	}
	return p
}

// assertQuality holds the profiles to what they are named for; spread is what Low's standard deviation may be of stock's,
// hosts what High may use of first-fit-decreasing's.
func assertQuality(t *testing.T, r *report.Report, spread, hosts float64) {
	t.Helper()
	low, high, none := profile(t, r, profiles.OurLow), profile(t, r, profiles.OurHigh), profile(t, r, profiles.OurNone)
	stock, others := profile(t, r, profiles.Stock), profile(t, r, profiles.OpenShiftHigh)
	if got := low.Arrived.VCPU.StdDev / stock.Arrived.VCPU.StdDev; got > spread {
		t.Errorf("%s: standard deviation of vCPU utilisation %.2f of stock's, want at most %.2f", low.Name, got, spread)
	}
	if offline := r.OfflineArrived; offline.Left > 0 || high.Arrived.Refused > 0 {
		t.Errorf("offline %d VMs are left over, and %s refuses %d: hosts of different VMs would be compared", offline.Left, high.Name, high.Arrived.Refused)
	}
	if got := float64(high.Arrived.HostsUsed) / float64(r.OfflineArrived.FirstFitDecreasing); got > hosts {
		t.Errorf("%s: %.2f times the hosts of first-fit-decreasing, want at most %.2f", high.Name, got, hosts)
	}
	if high.Churned.HostsUsed >= others.Churned.HostsUsed {
		t.Errorf("%s uses %d hosts after churn, want fewer than OpenShift's %d", high.Name, high.Churned.HostsUsed, others.Churned.HostsUsed)
	}
	if got := none.CycleMicros / stock.CycleMicros; got > 2.0/3 {
		t.Errorf("%s: cycle CPU %.2f of stock's, want at most two thirds", none.Name, got)
	}
}

// judged are the profiles that assertQuality looks at. What a profile does does not depend on which others are compared.
var judged = []string{"--profiles", strings.Join([]string{profiles.OurLow, profiles.OurHigh, profiles.OurNone, profiles.Stock, profiles.OpenShiftHigh}, ",")}

// TestFull is what docs/profiles.md shows: 200 hosts, 4,000 VMs, ten vCPUs per requested CPU.
func TestFull(t *testing.T) {
	assertQuality(t, compare(t, judged...), 0.5, 1.1)
}

// TestSmall answers in seconds. With 20 hosts a single one that is left out weighs much, so the bounds are wider.
func TestSmall(t *testing.T) {
	assertQuality(t, compare(t, append(judged, "--hosts", "20", "--vms", "250")...), 0.8, 1.2)
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"too few hosts":  {args: []string{"--hosts", "2"}, want: "hosts: 2, want 10 to 5000"},
		"unknown output": {args: []string{"--output", "yaml"}, want: `--output "yaml", want text or json`},
		"left over":      {args: []string{"more"}, want: `unexpected arguments ["more"]`},
		"unknown flag":   {args: []string{"--host", "2"}, want: "flag provided but not defined: -host"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(tc.args, io.Discard); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWritesDocs(t *testing.T) {
	r := compare(t, "--hosts", "10", "--vms", "50", "--churn", "0", "--profiles", profiles.OurLow)
	document := t.TempDir() + "/doc.md"
	text := "before\n<!-- begin: written by make quality -->\nold\n<!-- end: written by make quality -->\nafter\n"
	if err := os.WriteFile(document, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteDocs(document); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{"before\n": 1, "after\n": 1, "old": 0, "| LowNodeUtilization |": 2} {
		if got := strings.Count(string(content), want); got != times {
			t.Errorf("%q occurs %d times in the document, want %d:\n%s", want, got, times, content)
		}
	}
	without := t.TempDir() + "/without.md"
	if err := os.WriteFile(without, []byte("no markers"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteDocs(without); err == nil {
		t.Error("no error for a document without markers")
	}
}
