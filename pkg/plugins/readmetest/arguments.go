// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package readmetest

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rowOfTable = regexp.MustCompile("^\\| `([^`]+)` \\|")

// NamesAllArguments checks that the table of a README whose first column is "field" has the arguments that there are, and no
// others; args is the type that users write. A field of the elements of a list is written list[].field.
func NamesAllArguments(t *testing.T, path string, args reflect.Type) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "\n| field |")
	if !ok {
		t.Fatalf("%s has no table whose first column is called field", path)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var got []string
	for line := range strings.Lines(table) {
		if row := rowOfTable.FindStringSubmatch(line); row != nil {
			got = append(got, row[1])
		}
	}
	want := arguments(args, "")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: arguments in the table (-want +got):\n%s", path, diff)
	}
}

func arguments(of reflect.Type, prefix string) []string {
	var names []string
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		element := field.Type
		if element.Kind() == reflect.Slice {
			element = element.Elem()
		}
		switch {
		case name == "": // apiVersion and kind
		case element != field.Type && element.Kind() == reflect.Struct:
			names = append(names, arguments(element, prefix+name+"[].")...)
		default:
			names = append(names, prefix+name)
		}
	}
	return names
}
