// Checks a dashboard of Grafana, field by field, with Grafana's own description of its schema, and prints what is wrong. A
// Grafana that could load it is neither in Debian nor, with its frontend, a Go module.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

var wrong bool

func complain(format string, what ...any) {
	fmt.Printf(format+"\n", what...)
	wrong = true
}

func require(right bool, format string, what ...any) {
	if !right {
		complain(format, what...)
	}
}

// report complains of each error. The library returns an empty list of them, which is no nil error, where all is well.
func report(where string, err error) {
	var list cog.BuildErrors
	if errors.As(err, &list) {
		for _, one := range list {
			complain("%s: %v", where, one)
		}
	} else if err != nil {
		complain("%s: %v", where, err)
	}
}

// The library reads any string or number as a value of these types.
var values = map[reflect.Type][]any{}

func allow[T any](of ...T) {
	for _, value := range of {
		values[reflect.TypeFor[T]()] = append(values[reflect.TypeFor[T]()], value)
	}
}

func init() {
	allow(common.BigValueColorModeBackground, common.BigValueColorModeNone, common.BigValueColorModeValue)
	allow(common.BigValueGraphModeArea, common.BigValueGraphModeNone, common.BigValueGraphModeLine)
	allow(common.BigValueJustifyModeAuto, common.BigValueJustifyModeCenter)
	allow(common.BigValueTextModeAuto, common.BigValueTextModeName, common.BigValueTextModeNone, common.BigValueTextModeValue,
		common.BigValueTextModeValueAndName)
	allow(common.GraphDrawStyleBars, common.GraphDrawStyleLine, common.GraphDrawStylePoints)
	allow(common.LegendDisplayModeHidden, common.LegendDisplayModeList, common.LegendDisplayModeTable)
	allow(common.LegendPlacementBottom, common.LegendPlacementRight)
	allow(common.PercentChangeColorModeInverted, common.PercentChangeColorModeSameAsValue, common.PercentChangeColorModeStandard)
	allow(common.SortOrderAscending, common.SortOrderDescending, common.SortOrderNone)
	allow(common.StackingModeNone, common.StackingModeNormal, common.StackingModePercent)
	allow(common.TooltipDisplayModeMulti, common.TooltipDisplayModeNone, common.TooltipDisplayModeSingle)
	allow(common.VisibilityModeAlways, common.VisibilityModeAuto, common.VisibilityModeNever)
	allow(common.VizOrientationAuto, common.VizOrientationHorizontal, common.VizOrientationVertical)
	allow(dashboard.DashboardCursorSyncCrosshair, dashboard.DashboardCursorSyncOff, dashboard.DashboardCursorSyncTooltip)
	allow(dashboard.FieldColorModeIdFixed, dashboard.FieldColorModeIdPaletteClassic, dashboard.FieldColorModeIdThresholds)
	allow(dashboard.MappingTypeValueToText, dashboard.MappingTypeRangeToText, dashboard.MappingTypeRegexToText, dashboard.MappingTypeSpecialValue)
	allow(dashboard.ThresholdsModeAbsolute, dashboard.ThresholdsModePercentage)
	allow(dashboard.VariableRefreshNever, dashboard.VariableRefreshOnDashboardLoad, dashboard.VariableRefreshOnTimeRangeChanged)
	allow(dashboard.VariableSortAlphabeticalAsc, dashboard.VariableSortDisabled)
	allow(dashboard.VariableTypeDatasource, dashboard.VariableTypeQuery)
}

var knownUnits = []string{units.Short, units.Seconds, units.BytesIEC, units.PercentUnit, units.RequestsPerSecond, units.EventsPerSecond}

// checkValues complains of each value that its type does not have.
func checkValues(where string, value reflect.Value) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			checkValues(where, value.Elem())
		}
	case reflect.Struct:
		for i := range value.NumField() {
			name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			checkValues(where+"."+name, value.Field(i))
		}
	case reflect.Slice:
		for i := range value.Len() {
			checkValues(fmt.Sprintf("%s[%d]", where, i), value.Index(i))
		}
	case reflect.String, reflect.Int64:
		if value.Type().PkgPath() != "" {
			require(slices.Contains(values[value.Type()], value.Interface()), "%s: %v is no %v", where, value, value.Type())
		}
	}
}

func is(text *string, what string) bool { return text != nil && *text == what }

func checkSource(where string, source *common.DataSourceRef) {
	require(source != nil && is(source.Type, "prometheus") && is(source.Uid, "${datasource}"), "%s: its data source is not the variable", where)
}

// checkPanel adds what the library leaves out of a panel: its field options, and queries that do not name their type.
func checkPanel(panel *dashboard.Panel, raw json.RawMessage) {
	var parts struct {
		FieldConfig json.RawMessage
		Targets     []json.RawMessage
	}
	if panel.Title == nil || panel.GridPos == nil || panel.Id == nil {
		complain("a panel lacks its title, place or id: %s", raw)
		return
	}
	where := *panel.Title
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts.Targets) == 0 || parts.FieldConfig == nil {
		complain("%s: it lacks targets or fieldConfig", where)
		return
	}
	var field dashboard.FieldConfigSource
	report(where, field.UnmarshalJSONStrict(parts.FieldConfig))
	require(field.Defaults.Unit != nil && slices.Contains(knownUnits, *field.Defaults.Unit), "%s: its unit is none of those known here", where)
	for _, target := range parts.Targets {
		_, err := cog.StrictUnmarshalDataquery(target, "prometheus")
		report(where, err)
	}
	references := map[string]bool{}
	for _, target := range panel.Targets {
		query, ok := target.(*prometheus.Dataquery)
		if !ok || query.RefId == nil || references[*query.RefId] {
			complain("%s: a query has no refId of its own, or is not one of Prometheus", where)
			continue
		}
		references[*query.RefId] = true
		instant := query.Instant != nil && *query.Instant && query.Range != nil && !*query.Range
		require(instant == (panel.Type == "stat"), "%s: a stat panel is of now, so its queries are instant; no other's are", where)
	}
	require(panel.Description != nil && strings.HasSuffix(*panel.Description, "."), "%s: it is not described in sentences", where)
	checkSource(where, panel.Datasource)
}

func overlap(a, b *dashboard.GridPos) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// checkLayout complains of what each panel must have for itself: an id, a title and a place.
func checkLayout(board *dashboard.Dashboard) {
	ids, titles, places := map[uint32]bool{}, map[string]bool{}, []*dashboard.GridPos{}
	for _, one := range board.Panels {
		var id *uint32
		var title *string
		var place *dashboard.GridPos
		if one.Panel != nil {
			id, title, place = one.Panel.Id, one.Panel.Title, one.Panel.GridPos
		} else if one.RowPanel != nil {
			id, title, place = &one.RowPanel.Id, one.RowPanel.Title, one.RowPanel.GridPos
		}
		if id == nil || title == nil || place == nil {
			complain("a panel lacks its title, place or id")
			continue
		}
		require(!ids[*id], "%s: another panel has its id %d", *title, *id)
		require(!titles[*title], "%s: another panel has its title", *title)
		require(place.X+place.W <= 24, "%s: it does not fit into 24 columns", *title)
		for _, other := range places {
			require(!overlap(place, other), "%s: it overlaps another panel", *title)
		}
		ids[*id], titles[*title], places = true, true, append(places, place)
	}
}

func check(path string) {
	var board dashboard.Dashboard
	var raw struct{ Panels []json.RawMessage }
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &board)
	}
	if err == nil {
		err = json.Unmarshal(content, &raw)
	}
	if err != nil {
		complain("%v", err)
		return
	}
	report(path, (&dashboard.Dashboard{}).UnmarshalJSONStrict(content))
	report(path, board.Validate())
	checkValues("dashboard", reflect.ValueOf(board))
	require(len(board.Panels) > 0, "%s: it has no panel", path)
	for i, one := range board.Panels {
		switch {
		case one.RowPanel != nil:
			require(len(one.RowPanel.Panels) == 0, "a row is folded: its panels are not checked here")
		case one.Panel == nil || !slices.Contains([]string{"stat", "timeseries", "state-timeline"}, one.Panel.Type):
			complain("panel %d is of a type that is not checked here", i)
		default:
			checkPanel(one.Panel, raw.Panels[i])
		}
	}
	for _, variable := range board.Templating.List {
		if variable.Type == dashboard.VariableTypeQuery {
			checkSource(variable.Name, variable.Datasource)
		}
	}
	checkLayout(&board)
}

func main() {
	if len(os.Args) < 2 {
		complain("usage: dashboard FILE...")
	}
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
	for _, path := range os.Args[1:] {
		check(path)
	}
	if wrong {
		os.Exit(1)
	}
}
