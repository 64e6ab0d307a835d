// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// BindAddressOff as MetricsBindAddress switches the endpoint off.
const BindAddressOff = "0"

const (
	minAttempts = 1
	maxAttempts = 10
	maxReason   = 256
)

// Validate returns everything that is wrong with a defaulted configuration, each with the field's path.
func Validate(c *FailureWatcherConfiguration) field.ErrorList {
	var errs field.ErrorList
	for _, rule := range durationRules(c) {
		errs = append(errs, validateDuration(rule)...)
	}
	errs = append(errs, validateOrder(c)...)
	errs = append(errs, validateFencing(&c.Fencing, field.NewPath("fencing"))...)
	leader := field.NewPath("leaderElection")
	errs = append(errs, validateName(c.LeaderElection.Namespace, leader.Child("namespace"), validation.IsDNS1123Label)...)
	errs = append(errs, validateName(c.LeaderElection.Name, leader.Child("name"), validation.IsDNS1123Subdomain)...)
	if c.MetricsBindAddress != BindAddressOff {
		errs = append(errs, validateBind(c.MetricsBindAddress, field.NewPath("metricsBindAddress"), `, or "0" to switch it off`)...)
	}
	errs = append(errs, validateBind(c.HealthBindAddress, field.NewPath("healthBindAddress"), "")...)
	if c.MetricsBindAddress == c.HealthBindAddress && !strings.HasSuffix(c.HealthBindAddress, ":0") {
		errs = append(errs, field.Invalid(field.NewPath("healthBindAddress"), c.HealthBindAddress, "is metricsBindAddress too; the two need an address each"))
	}
	return errs
}

func validateDuration(rule durationRule) field.ErrorList {
	if *rule.at == nil {
		return field.ErrorList{field.Required(rule.fieldPath(), "set the defaults before validating")}
	}
	d := (*rule.at).Duration
	if d >= rule.low && d <= rule.high {
		return nil
	}
	text := fmt.Sprintf("must be from %s to %s", rule.low, rule.high)
	if rule.why != "" {
		text += ": " + rule.why
	}
	return field.ErrorList{field.Invalid(rule.fieldPath(), d.String(), text)}
}

// validateOrder checks what durations say about each other.
func validateOrder(c *FailureWatcherConfiguration) field.ErrorList {
	orders := []struct {
		path       *field.Path
		big, small *metav1.Duration
		factor     float64
		text       string
	}{
		{
			field.NewPath("detection", "confirmAfter"), c.Detection.ConfirmAfter, c.Detection.LeaseStaleAfter, 1,
			"must not be shorter than detection.leaseStaleAfter",
		},
		{
			field.NewPath("fencing", "attemptTimeout"), c.Fencing.AttemptTimeout, c.Fencing.PowerReadInterval, 3,
			"must be at least 3 times fencing.powerReadInterval, for Off has to be read twice in that time",
		},
		{
			field.NewPath("leaderElection", "leaseDuration"), c.LeaderElection.LeaseDuration, c.LeaderElection.RenewDeadline, 1.1,
			"must be at least 1.1 times leaderElection.renewDeadline, or two leaders can overlap",
		},
		{
			field.NewPath("leaderElection", "renewDeadline"), c.LeaderElection.RenewDeadline, c.LeaderElection.RetryPeriod, 1.3,
			"must be at least 1.3 times leaderElection.retryPeriod",
		},
	}
	var errs field.ErrorList
	for _, o := range orders {
		if o.big == nil || o.small == nil {
			continue
		}
		if o.big.Duration < time.Duration(float64(o.small.Duration)*o.factor) {
			errs = append(errs, field.Invalid(o.path, o.big.Duration.String(), o.text+" ("+o.small.Duration.String()+")"))
		}
	}
	return errs
}

func validateFencing(f *FencingConfiguration, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if f.MaxAttempts == nil || *f.MaxAttempts < minAttempts || *f.MaxAttempts > maxAttempts {
		var got any = "nothing"
		if f.MaxAttempts != nil {
			got = *f.MaxAttempts
		}
		errs = append(errs, field.Invalid(path.Child("maxAttempts"), got, fmt.Sprintf("must be from %d to %d", minAttempts, maxAttempts)))
	}
	errs = append(errs, validateName(f.SecretNamespace, path.Child("secretNamespace"), validation.IsDNS1123Label)...)
	nodes, machines, overrides := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range f.Redfish {
		host, at := &f.Redfish[i], path.Child("redfish").Index(i)
		errs = append(errs, validateRedfish(host, at)...)
		errs = append(errs, validateOnce(nodes, host.NodeName, i, at.Child("nodeName"), host.NodeName,
			"fencing.redfish[%d] is about this node too; a node has one BMC")...)
		if endpoint, ok := canonicalEndpoint(host.Endpoint); ok && host.SystemID != "" {
			errs = append(errs, validateOnce(machines, endpoint+" "+host.SystemID, i, at.Child("systemID"), host.SystemID,
				"fencing.redfish[%d] names the same system of the same BMC; two nodes can't be one machine")...)
		}
		if o := host.IdentityOverride; o != nil {
			errs = append(errs, validateOnce(overrides, canonicalUUID(o.SystemUUID), i, at.Child("identityOverride", "systemUUID"), o.SystemUUID,
				"fencing.redfish[%d] accepts the same machine; two nodes can't be one machine")...)
		}
	}
	return errs
}

// validateOnce refuses the second use of key; empty keys are reported elsewhere.
func validateOnce(seen map[string]int, key string, i int, path *field.Path, value, text string) field.ErrorList {
	if key == "" {
		return nil
	}
	if first, twice := seen[key]; twice {
		return field.ErrorList{field.Invalid(path, value, fmt.Sprintf(text, first))}
	}
	seen[key] = i
	return nil
}

func validateRedfish(h *RedfishHost, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, validateName(h.NodeName, path.Child("nodeName"), validation.IsDNS1123Subdomain)...)
	errs = append(errs, validateEndpoint(h.Endpoint, path.Child("endpoint"))...)
	switch {
	case h.SystemID == "":
		errs = append(errs, field.Required(path.Child("systemID"), `the Id of the machine's ComputerSystem, as /redfish/v1/Systems lists it: a BMC may serve several`))
	case strings.ContainsAny(h.SystemID, "/?# \t\n") || h.SystemID == "." || h.SystemID == "..":
		errs = append(errs, field.Invalid(path.Child("systemID"), h.SystemID, "must be an Id alone, no path"))
	}
	errs = append(errs, validateName(h.CredentialsSecret, path.Child("credentialsSecret"), validation.IsDNS1123Subdomain)...)
	if o := h.IdentityOverride; o != nil {
		errs = append(errs, validateOverride(o, path.Child("identityOverride"))...)
	}
	return errs
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

func validateOverride(o *IdentityOverride, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !uuidPattern.MatchString(canonicalUUID(o.SystemUUID)) {
		errs = append(errs, field.Invalid(path.Child("systemUUID"), o.SystemUUID, "must be the UUID that the BMC tells, 32 hexadecimal digits"))
	}
	switch {
	case strings.TrimSpace(o.Reason) == "":
		errs = append(errs, field.Required(path.Child("reason"), "say why this machine is the node's although their UUIDs differ; it is kept in the record"))
	case len(o.Reason) > maxReason:
		errs = append(errs, field.TooLong(path.Child("reason"), o.Reason, maxReason))
	}
	return errs
}

func canonicalUUID(s string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), "-", ""))
}

// validateEndpoint never repeats what may hold a password.
func validateEndpoint(endpoint string, path *field.Path) field.ErrorList {
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return field.ErrorList{field.Required(path, "the BMC's address, e.g. https://bmc-1.example.org")}
	case strings.Contains(endpoint, "@"):
		return field.ErrorList{field.Invalid(path, "(not shown)", "must hold no user or password: name a Secret in credentialsSecret")}
	case err != nil:
		return field.ErrorList{field.Invalid(path, endpoint, "must be a URL such as https://bmc-1.example.org")}
	default:
		if wrong := wrongWithURL(u); wrong != "" {
			return field.ErrorList{field.Invalid(path, endpoint, wrong)}
		}
		return nil
	}
}

func wrongWithURL(u *url.URL) string {
	switch {
	case strings.EqualFold(u.Scheme, "http"):
		return "must begin with https://: without TLS the answer proves nothing, and the password is readable"
	case !strings.EqualFold(u.Scheme, "https") || u.Hostname() == "":
		return "must be a URL such as https://bmc-1.example.org"
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "must have no path, query or fragment: the driver knows where Redfish lives"
	}
	if n, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || n < 1 || n > 65535) {
		return "the port must be from 1 to 65535"
	}
	return ""
}

// canonicalEndpoint makes two spellings of one BMC equal.
func canonicalEndpoint(endpoint string) (string, bool) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip := net.ParseIP(host); ip != nil {
		host = ip.String()
	}
	return net.JoinHostPort(host, port), true
}

func validateName(name string, path *field.Path, check func(string) []string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	for _, text := range check(name) {
		errs = append(errs, field.Invalid(path, name, text))
	}
	return errs
}

func validateBind(address string, path *field.Path, or string) field.ErrorList {
	host, port, err := net.SplitHostPort(address)
	n, numErr := strconv.Atoi(port)
	if err != nil || numErr != nil || n < 0 || n > 65535 || strings.ContainsAny(host, " /") {
		return field.ErrorList{field.Invalid(path, address, "must be host:port, such as 127.0.0.1:8081 or :8081"+or)}
	}
	return nil
}
