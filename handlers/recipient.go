package handlers

func (a *api) recipientRoutes() {}
