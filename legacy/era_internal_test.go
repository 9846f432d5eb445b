package legacy

import (
	"testing"
	"time"
)

func TestEraDate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"令和6年3月31日": "2024-03-31", "令和元年5月1日": "2019-05-01", "平成31年4月30日": "2019-04-30", "平成元年1月8日": "1989-01-08",
		"昭和64年1月7日": "1989-01-07", "R6.3.31": "2024-03-31", "H30/12/1": "2018-12-01", "S63-2-29": "1988-02-29", "令和 8 年 11 月 22 日": "2026-11-22",
		"令和元年4月30日": "", "平成31年5月1日": "", "令和6年2月30日": "", "令和0年1月1日": "", "令和6年13月1日": "", "大正3年1月1日": "", "R6.3": "", "2024-03-31": "",
	} {
		day, ok := eraDate(text, time.UTC)
		if got := day.Format(time.DateOnly); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, %t; want %q", text, got, ok, want)
		}
	}
}
