package handlers

func (a *api) requestRoutes() {}
