package handlers

func (a *api) noticeRoutes() {}
