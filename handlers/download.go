package handlers

func (a *api) downloadRoutes() {}
