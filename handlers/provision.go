package handlers

func (a *api) provisionRoutes() {}
